import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n';
import type { Notice, Room } from '../state/room';
import { SpeakerIcon } from './icons';

const NOTICE_SHOWN_MS = 4_000;

/** What concerns the meeting as a whole: one's own connection, and sound that the browser holds back. */
export function Banners({ room }: { room: Room }): JSX.Element {
  const reconnecting = room.phase.value.kind === 'reconnecting';
  return (
    <>
      <div role="status">
        {reconnecting && (
          <div class="banner">
            <span class="spinner" />
            {t('room.reconnecting')}
          </div>
        )}
      </div>
      {room.audioBlocked.value && (
        <div class="banner">
          <span>{t('room.startAudioWhy')}</span>
          <button type="button" class="button primary" onClick={() => void room.startAudio()}>
            <SpeakerIcon />
            {t('room.startAudio')}
          </button>
        </div>
      )}
    </>
  );
}

/** Who came and went, for a moment. */
export function Notices({ room }: { room: Room }): JSX.Element {
  const shown = useSignal<readonly Notice[]>([]);
  const seen = useRef(Math.max(-1, ...room.notices.peek().map((notice) => notice.id)));
  const timers = useRef(new Set<ReturnType<typeof setTimeout>>());
  useEffect(() => {
    const fresh = room.notices.value.filter((notice) => notice.id > seen.current);
    if (fresh.length === 0) return;
    seen.current = Math.max(...fresh.map((notice) => notice.id));
    shown.value = [...shown.peek(), ...fresh].slice(-3);
    const timer = setTimeout(() => {
      timers.current.delete(timer);
      shown.value = shown.peek().filter((notice) => !fresh.includes(notice));
    }, NOTICE_SHOWN_MS);
    timers.current.add(timer);
  }, [room.notices.value]);
  useEffect(() => () => timers.current.forEach((timer) => clearTimeout(timer)), []);
  return (
    <div class="toasts" role="log" aria-live="polite">
      {shown.value.map((notice) => (
        <p key={notice.id} class="toast">
          {t(`room.${notice.kind}`, { name: notice.name })}
        </p>
      ))}
    </div>
  );
}
