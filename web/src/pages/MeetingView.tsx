import { signal, useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useCallback, useMemo, useRef } from 'preact/hooks';
import { Banners, Notices } from '../components/Banners';
import { ChatPanel, type Draft } from '../components/ChatPanel';
import { useMedia, usePageHeading } from '../components/context';
import { ControlBar, type PanelName } from '../components/ControlBar';
import { Confirm } from '../components/Dialog';
import { DeviceTrouble, type Switches, useSwitches } from '../components/DeviceTrouble';
import { KeyboardIcon } from '../components/icons';
import { KeysDialog, useShortcuts } from '../components/Keys';
import { PeoplePanel } from '../components/PeoplePanel';
import type { Action } from '../components/shortcuts';
import { Stage } from '../components/Stage';
import { t } from '../i18n';
import type { Room } from '../state/room';

/** The meeting itself. */
export function MeetingView({ room }: { room: Room }): JSX.Element {
  const title = room.info.value?.title ?? t('room.connecting');
  const heading = usePageHeading(title, true);
  const narrow = useMedia('(max-width: 48rem)');
  const panel = usePanel();
  const dialog = useSignal<'keys' | 'end' | null>(null);
  const draft = useMemo<Draft>(() => ({ text: signal(''), to: signal(null) }), []);
  const closeDialog = useCallback(() => {
    dialog.value = null;
  }, []);
  const showKeys = (): void => {
    dialog.value = 'keys';
  };
  const switches = useSwitches(room);
  useMeetingShortcuts(room, switches, panel.toggle, showKeys);
  return (
    <div class="meeting">
      <main class="meeting-main">
        <div class="banners">
          <Banners room={room} />
          <DeviceTrouble local={room.local} switches={switches} />
          <Notices room={room} />
        </div>
        {room.info.value ? <Stage room={room} /> : <Joining hard={room.hardToReach.value} />}
        {panel.open === 'chat' && <ChatPanel room={room} draft={draft} close={panel.close} />}
        {panel.open === 'people' && <PeoplePanel room={room} close={panel.close} />}
      </main>
      <footer class="bar">
        <div class="bar-title">
          <h1 ref={heading} tabIndex={-1} title={title}>
            {title}
          </h1>
        </div>
        <ControlBar
          room={room}
          switches={switches}
          narrow={narrow}
          panel={panel.open}
          toggle={panel.toggle}
          showKeys={showKeys}
          leave={() => room.leave()}
          endForAll={() => {
            dialog.value = 'end';
          }}
        />
        {!narrow && (
          <div class="bar-end">
            <button type="button" class="button plain square" aria-label={t('bar.keys')} title={t('bar.keys')} onClick={showKeys}>
              <KeyboardIcon />
            </button>
          </div>
        )}
      </footer>
      {dialog.value === 'keys' && <KeysDialog onClose={closeDialog} />}
      {dialog.value === 'end' && (
        <Confirm
          title={t('meeting.endQuestion', { title })}
          explained={t('meeting.endExplained')}
          confirm={t('meeting.endConfirm')}
          act={() => room.endForAll()}
          onClose={closeDialog}
        />
      )}
    </div>
  );
}

function Joining({ hard }: { hard: boolean }): JSX.Element {
  return (
    <div class="joining" role="status">
      <span class="spinner" />
      {t(hard ? 'room.hardToReach' : 'room.connecting')}
    </div>
  );
}

/** Which panel is open, and where the focus goes back to. */
function usePanel(): { open: PanelName | null; toggle: (name: PanelName) => void; close: () => void } {
  const open = useSignal<PanelName | null>(null);
  const before = useRef<Element | null>(null);
  const close = useCallback((): void => {
    open.value = null;
    if (before.current instanceof HTMLElement && before.current.isConnected) before.current.focus();
    before.current = null;
  }, []);
  const toggle = useCallback((name: PanelName): void => {
    if (open.peek() === name) {
      close();
      return;
    }
    if (open.peek() === null) before.current = document.activeElement;
    open.value = name;
  }, []);
  return { open: open.value, toggle, close };
}

function useMeetingShortcuts(room: Room, switches: Switches, togglePanel: (name: PanelName) => void, showKeys: () => void): void {
  useShortcuts((action: Action, down: boolean) => {
    switch (action) {
      case 'microphone':
        return void switches.microphone();
      case 'camera':
        return void switches.camera();
      case 'chat':
        return room.info.peek()?.settings.isChatEnabled === false ? undefined : togglePanel('chat');
      case 'people':
        return togglePanel('people');
      case 'list':
        return showKeys();
      case 'talk':
        return void switches.talk(down);
    }
  });
}
