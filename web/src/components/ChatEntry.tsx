import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { t, time } from '../i18n';
import type { ChatLine } from '../state/room';
import type { ParticipantId } from '../wire/ParticipantId';
import { LockIcon, WarningIcon } from './icons';
import { findLinks } from './links';
import { hueOf } from './person';

/** One line of chat. What people write is text and links, never markup. */
export function ChatEntry({ line, nameOf }: { line: ChatLine; nameOf: (id: ParticipantId) => string }): JSX.Element {
  return (
    <li class="line" data-chat={line.id} data-mine={line.mine} data-private={line.to !== null} data-pending={line.pending}>
      <div class="line-head">
        <strong class="person-name" data-hue={hueOf(line.fromName)}>
          {line.mine ? t('chat.you') : line.fromName}
        </strong>
        {line.to !== null && (
          <span class="line-private">
            <LockIcon />
            {line.mine ? t('chat.privateTo', { name: nameOf(line.to) }) : t('chat.privateFrom', { name: line.fromName })}
          </span>
        )}
        <time dateTime={line.sentAt}>{time(line.sentAt)}</time>
      </div>
      <p class="bubble">
        <Linked text={line.text} />
      </p>
      {line.failed !== undefined && (
        <span class="line-state bad">
          <WarningIcon />
          {line.failed}
        </span>
      )}
      {line.pending && line.failed === undefined && <span class="line-state">{t('chat.sending')}</span>}
    </li>
  );
}

function Linked({ text }: { text: string }): JSX.Element {
  const pieces = useMemo(() => findLinks(text), [text]);
  return (
    <>
      {pieces.map((piece, index) =>
        piece.kind === 'text' ? (
          piece.text
        ) : (
          <a key={index} href={piece.href} target="_blank" rel="noopener noreferrer">
            {piece.text}
          </a>
        ),
      )}
    </>
  );
}
