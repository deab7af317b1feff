import type { JSX } from 'preact';
import { t } from '../i18n';
import type { PersonView, Room } from '../state/room';
import { Avatar } from './Avatar';
import type { Size } from './grid';
import { MicrophoneOffIcon, WarningIcon } from './icons';
import { Picture, Sound } from './media';

interface Properties {
  room: Room;
  person: PersonView;
  size: Size;
  corner: boolean;
}

/** One person: picture or initials, sound, name, and how the connection stands. */
export function Tile({ room, person, size, corner }: Properties): JSX.Element {
  const stream = person.stream.value;
  const shown = person.media.video && stream !== null;
  return (
    <article
      class={corner ? 'tile corner' : 'tile'}
      aria-label={person.name}
      data-participant={person.id}
      data-self={person.self ? '' : undefined}
      data-speaking={person.media.audio && person.speaking.value}
      style={{ width: `${size.width}px`, height: `${size.height}px` }}
    >
      {!shown && (
        <div class="tile-face">
          <Avatar name={person.name} />
        </div>
      )}
      <Picture stream={stream} shown={shown} mirrored={person.self} box={corner ? undefined : size} />
      {!person.self && <Sound room={room} stream={stream} />}
      <LinkState person={person} />
      <div class="nameplate">
        {!person.media.audio && (
          <span role="img" aria-label={t('tile.muted', { name: person.name })}>
            <MicrophoneOffIcon />
          </span>
        )}
        <span class="name">{shownName(person, corner)}</span>
      </div>
    </article>
  );
}

function shownName(person: PersonView, corner: boolean): string {
  if (corner) return t('people.you');
  return person.self ? t('tile.you', { name: person.name }) : person.name;
}

/** Says on the tile itself that somebody can't be reached at the moment; the tile stays theirs. */
function LinkState({ person }: { person: PersonView }): JSX.Element | null {
  const link = person.link.value;
  if (person.self || (!person.away && link === 'connected')) return null;
  if (!person.away && link === 'failed') {
    return (
      <div class="tile-link">
        <span>
          <WarningIcon />
          {t('tile.failed')}
        </span>
      </div>
    );
  }
  return (
    <div class="tile-link">
      <span>
        <span class="spinner" />
        {t(person.away || link === 'reconnecting' ? 'tile.reconnecting' : 'tile.connecting')}
      </span>
    </div>
  );
}
