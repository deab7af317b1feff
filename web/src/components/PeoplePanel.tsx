import type { JSX } from 'preact';
import { count, t } from '../i18n';
import type { PersonView, Room } from '../state/room';
import { Avatar } from './Avatar';
import { CopyLink, meetingLink } from './CopyLink';
import { CameraIcon, CameraOffIcon, MicrophoneIcon, MicrophoneOffIcon } from './icons';
import { Panel } from './Panel';

/** Who is in the meeting, and what each of them sends. */
export function PeoplePanel({ room, close }: { room: Room; close: () => void }): JSX.Element {
  const people = room.people.value;
  const info = room.info.value;
  return (
    <Panel title={t('people.title')} close={close}>
      <div class="panel-scroll">
        <p class="panel-count">{count('people.count', people.length)}</p>
        <ul>
          {people.map((person) => (
            <Person key={person.id} person={person} />
          ))}
        </ul>
      </div>
      {info && (
        <div class="panel-foot">
          <CopyLink link={meetingLink(info.roomId)} look="wide" />
        </div>
      )}
    </Panel>
  );
}

function Person({ person }: { person: PersonView }): JSX.Element {
  const remarks = [person.self && t('people.you'), person.host && t('people.host'), person.guest && t('people.guest')].filter((remark) => remark !== false);
  const away = !person.self && (person.away || person.link.value === 'reconnecting');
  return (
    <li class="person">
      <Avatar name={person.name} />
      <div class="about">
        <p class="name">{person.name}</p>
        <p class="hint">{away ? t('people.away') : remarks.join(' · ')}</p>
      </div>
      <div class="state">
        <State on={person.media.audio} label={t(person.media.audio ? 'people.microphoneOn' : 'people.microphoneOff')}>
          {person.media.audio ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
        </State>
        <State on={person.media.video} label={t(person.media.video ? 'people.cameraOn' : 'people.cameraOff')}>
          {person.media.video ? <CameraIcon /> : <CameraOffIcon />}
        </State>
      </div>
    </li>
  );
}

function State({ on, label, children }: { on: boolean; label: string; children: JSX.Element }): JSX.Element {
  return (
    <span class={on ? undefined : 'off'} role="img" aria-label={label} title={label}>
      {children}
    </span>
  );
}
