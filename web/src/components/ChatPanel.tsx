import { type Signal, useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../i18n';
import type { PersonView, Room } from '../state/room';
import type { ParticipantId } from '../wire/ParticipantId';
import { ChatEntry } from './ChatEntry';
import { FieldError } from './Field';
import { ChevronIcon, SendIcon } from './icons';
import { Panel } from './Panel';

/** The server takes no longer ones. */
const LONGEST_MESSAGE = 4_000;
/** This near to the end, new lines keep scrolling into view. */
const NEAR_END_PX = 48;

/** What is being written; outlives the panel. */
export interface Draft {
  readonly text: Signal<string>;
  /** The id and name of the only one who is meant, or null for everybody. The name is kept for when that person leaves. */
  readonly to: Signal<{ readonly id: ParticipantId; readonly name: string } | null>;
}

export function ChatPanel({ room, draft, close }: { room: Room; draft: Draft; close: () => void }): JSX.Element {
  return (
    <Panel title={t('chat.title')} close={close}>
      <Lines room={room} />
      <Composer room={room} draft={draft} />
    </Panel>
  );
}

function Lines({ room }: { room: Room }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useSignal(true);
  const lines = room.chat.value;
  const nameOf = (id: ParticipantId): string => room.people.value.find((person) => person.id === id)?.name ?? t('chat.somebody');
  const toEnd = (): void => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
    atEnd.value = true;
  };
  const mineAtEnd = lines.at(-1)?.mine === true;
  useLayoutEffect(() => {
    if (atEnd.peek() || mineAtEnd) toEnd();
  }, [lines.length, lines.at(-1)?.id]);
  useEffect(() => {
    if (room.unread.value > 0) room.markRead();
  }, [room.unread.value]);
  return (
    <>
      <div
        ref={box}
        class="panel-scroll"
        tabIndex={0}
        role="log"
        aria-label={t('chat.title')}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          atEnd.value = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
        }}
      >
        {lines.length === 0 && <p class="panel-empty">{t('chat.empty')}</p>}
        <ul class="lines">
          {lines.map((line) => (
            <ChatEntry key={`${line.from} ${line.id}`} line={line} nameOf={nameOf} />
          ))}
        </ul>
      </div>
      {!atEnd.value && (
        <div class="jump-row">
          <button type="button" class="button jump" onClick={toEnd}>
            <ChevronIcon />
            {t('chat.jump')}
          </button>
        </div>
      )}
    </>
  );
}

function Composer({ room, draft }: { room: Room; draft: Draft }): JSX.Element {
  const problem = useSignal<string | undefined>(undefined);
  const others = room.people.value.filter((person) => !person.self);
  const send = (): void => {
    const text = draft.text.value.trim();
    const to = draft.to.value;
    problem.value = obstacle(text, to, others);
    if (text === '' || problem.value !== undefined) return;
    room.say(text, to?.id);
    draft.text.value = '';
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Recipient draft={draft} others={others} />
      <FieldError id="chat-error" error={problem.value} />
      <div class="composer-send">
        <textarea
          class="input"
          rows={1}
          data-first-focus=""
          aria-label={t('chat.message')}
          aria-describedby="chat-error"
          placeholder={t('chat.placeholder')}
          value={draft.text.value}
          onInput={(event) => {
            draft.text.value = event.currentTarget.value;
            problem.value = undefined;
          }}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            send();
          }}
        />
        <button type="submit" class="button primary square" aria-label={t('chat.send')} title={t('chat.send')}>
          <SendIcon />
        </button>
      </div>
    </form>
  );
}

function obstacle(text: string, to: Draft['to']['value'], others: readonly PersonView[]): string | undefined {
  if ([...text].length > LONGEST_MESSAGE) return t('chat.tooLong');
  // Falling back to everybody would show a private line to all.
  if (to && !others.some((person) => person.id === to.id)) return t('chat.gone', { name: to.name });
  return undefined;
}

function Recipient({ draft, others }: { draft: Draft; others: readonly PersonView[] }): JSX.Element {
  const to = draft.to.value;
  const gone = to !== null && !others.some((person) => person.id === to.id);
  return (
    <label class="composer-to">
      <span class="soft">{t('chat.to')}</span>
      <select
        class="select"
        value={to?.id ?? ''}
        onChange={(event) => {
          const chosen = others.find((person) => person.id === event.currentTarget.value);
          draft.to.value = chosen ? { id: chosen.id, name: chosen.name } : null;
        }}
      >
        <option value="">{t('chat.everyone')}</option>
        {others.map((person) => (
          <option key={person.id} value={person.id}>
            {person.name}
          </option>
        ))}
        {gone && <option value={to.id}>{to.name}</option>}
      </select>
    </label>
  );
}
