import type { JSX } from 'preact';
import { type Key, t } from '../i18n';
import type { RoomPhase } from '../state/room';
import { NoticeFrame } from './NoticeFrame';

type Over = Extract<RoomPhase, { kind: 'left' | 'ended' | 'replaced' | 'failed' }>;

/** What is shown when one is no longer in the meeting, and the ways on from there. */
export function MeetingOver({ phase, again }: { phase: Over; again: () => void }): JSX.Element {
  return (
    <NoticeFrame title={t(TITLES[phase.kind])} text={explanation(phase)} focus>
      <div class="buttons">
        {phase.kind !== 'ended' && (
          <button type="button" class="button primary large" onClick={again}>
            {t(phase.kind === 'replaced' ? 'replaced.here' : 'left.rejoin')}
          </button>
        )}
        <a class={phase.kind === 'ended' ? 'button primary large' : 'button large'} href="/">
          {t('left.home')}
        </a>
      </div>
    </NoticeFrame>
  );
}

const TITLES = {
  left: 'left.title',
  ended: 'ended.title',
  replaced: 'replaced.title',
  failed: 'failed.title',
} as const satisfies Record<Over['kind'], Key>;

function explanation(phase: Over): string {
  switch (phase.kind) {
    case 'left':
      return t('left.hint');
    case 'ended':
      return t(phase.reason === 'deleted' ? 'ended.deleted' : 'ended.byHost');
    case 'replaced':
      return t('replaced.hint');
    case 'failed':
      return phase.error.message;
  }
}
