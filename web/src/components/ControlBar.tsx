import type { ComponentChildren, JSX } from 'preact';
import { count, t } from '../i18n';
import type { Room } from '../state/room';
import { cameraGroup, CameraSwitch, microphoneGroup, MicrophoneSwitch, speakerGroup } from './Devices';
import type { Switches } from './DeviceTrouble';
import { ChatIcon, KeyboardIcon, LeaveIcon, MoreIcon, PeopleIcon } from './icons';
import { Menu, type MenuGroup } from './Menu';

export type PanelName = 'chat' | 'people';

interface Properties {
  room: Room;
  switches: Switches;
  narrow: boolean;
  panel: PanelName | null;
  toggle: (panel: PanelName) => void;
  showKeys: () => void;
  leave: () => void;
  endForAll: () => void;
}

/** What one can do in a meeting. When narrow, what is needed at once stays and the rest goes into "More". */
export function ControlBar({ room, switches, narrow, panel, toggle, showKeys, leave, endForAll }: Properties): JSX.Element {
  const { local } = room;
  const chat = room.info.value?.settings.isChatEnabled !== false;
  return (
    <div class="bar-controls" role="group" aria-label={t('bar.label')}>
      <MicrophoneSwitch
        on={local.audioOn}
        toggle={() => void switches.microphone()}
        groups={narrow ? null : [microphoneGroup(local), speakerGroup(local)]}
      />
      <CameraSwitch on={local.videoOn} toggle={() => void switches.camera()} groups={narrow ? null : [cameraGroup(local)]} />
      {chat && <ChatButton room={room} open={panel === 'chat'} toggle={() => toggle('chat')} />}
      {narrow ? (
        <Menu label={t('bar.more')} look="round" groups={moreGroups(room, () => toggle('people'), showKeys)} place="above end">
          <MoreIcon />
        </Menu>
      ) : (
        <PanelButton label={t('bar.people')} open={panel === 'people'} toggle={() => toggle('people')}>
          <PeopleIcon />
          {room.people.value.length > 0 && (
            <span class="badge quiet" aria-hidden="true">
              {room.people.value.length}
            </span>
          )}
        </PanelButton>
      )}
      <LeaveButton host={room.isHost.value} leave={leave} endForAll={endForAll} />
    </div>
  );
}

function moreGroups(room: Room, people: () => void, showKeys: () => void): MenuGroup[] {
  const actions: MenuGroup = {
    items: [
      { key: 'people', label: t('bar.people'), icon: <PeopleIcon />, onSelect: people },
      { key: 'keys', label: t('bar.keys'), icon: <KeyboardIcon />, onSelect: showKeys },
    ],
  };
  const devices = [microphoneGroup(room.local), cameraGroup(room.local), speakerGroup(room.local)];
  return [actions, ...devices.filter((group) => group.items.length > 1)];
}

function ChatButton({ room, open, toggle }: { room: Room; open: boolean; toggle: () => void }): JSX.Element {
  const unread = room.unread.value;
  return (
    <PanelButton label={t('bar.chat')} open={open} toggle={toggle} describedBy={unread > 0 ? 'unread' : undefined}>
      <ChatIcon />
      {unread > 0 && (
        <span class="badge" aria-hidden="true">
          {unread > 99 ? '99+' : unread}
        </span>
      )}
      {unread > 0 && (
        <span id="unread" hidden>
          {count('bar.unread', unread)}
        </span>
      )}
    </PanelButton>
  );
}

interface PanelButtonProperties {
  label: string;
  open: boolean;
  toggle: () => void;
  describedBy?: string | undefined;
  children: ComponentChildren;
}

function PanelButton({ label, open, toggle, describedBy, children }: PanelButtonProperties): JSX.Element {
  return (
    <button
      type="button"
      class="round"
      aria-label={label}
      title={label}
      aria-pressed={open}
      aria-describedby={describedBy}
      data-open={open}
      onClick={toggle}
    >
      {children}
    </button>
  );
}

/** Leaves at once; hosts are asked whether the meeting ends with them. */
function LeaveButton({ host, leave, endForAll }: { host: boolean; leave: () => void; endForAll: () => void }): JSX.Element {
  if (!host) {
    return (
      <button type="button" class="round leave" aria-label={t('bar.leave')} title={t('bar.leave')} onClick={leave}>
        <LeaveIcon />
      </button>
    );
  }
  const items = [
    { key: 'leave', label: t('bar.leave'), onSelect: leave },
    { key: 'end', label: t('bar.endForAll'), bad: true, onSelect: endForAll },
  ];
  return (
    <Menu label={t('bar.leave')} look="round leave" groups={[{ items }]} place="above end">
      <LeaveIcon />
    </Menu>
  );
}
