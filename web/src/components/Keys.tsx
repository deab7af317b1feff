import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { type Key, t } from '../i18n';
import { useUi } from './context';
import { Dialog } from './Dialog';
import { type Action, actionOf, focusOf } from './shortcuts';

/** Calls the action of each key as long as the component is there. "talk" comes twice: when Space goes down, and up. */
export function useShortcuts(act: (action: Action, down: boolean) => void): void {
  const { settings } = useUi();
  const latest = useRef(act);
  latest.current = act;
  const enabled = settings.shortcuts.value;
  useEffect(() => {
    let talking = false;
    const stopTalking = (): void => {
      if (talking) latest.current('talk', false);
      talking = false;
    };
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || document.querySelector('dialog[open]')) return;
      const action = actionOf(event, focusOf(event.target));
      if (talking && event.code === 'Space') event.preventDefault();
      if (action === null || (action !== 'list' && !enabled)) return;
      event.preventDefault();
      if (action === 'talk') talking = true;
      latest.current(action, true);
    };
    const onKeyUp = (event: KeyboardEvent): void => {
      if (event.code === 'Space') stopTalking();
    };
    document.addEventListener('keydown', onKeyDown);
    document.addEventListener('keyup', onKeyUp);
    // The key may come up while another window has the keyboard.
    window.addEventListener('blur', stopTalking);
    return () => {
      stopTalking();
      document.removeEventListener('keydown', onKeyDown);
      document.removeEventListener('keyup', onKeyUp);
      window.removeEventListener('blur', stopTalking);
    };
  }, [enabled]);
}

const LIST: readonly { readonly keys: readonly string[]; readonly what: Key }[] = [
  { keys: ['M', 'Ctrl D'], what: 'keys.microphone' },
  { keys: ['V', 'Ctrl E'], what: 'keys.camera' },
  { keys: ['Space'], what: 'keys.talk' },
  { keys: ['C'], what: 'keys.chat' },
  { keys: ['P'], what: 'keys.people' },
  { keys: ['?'], what: 'keys.list' },
  { keys: ['Esc'], what: 'keys.close' },
];

/** The list of keys, and the switch that turns them off. */
export function KeysDialog({ onClose }: { onClose: () => void }): JSX.Element {
  const { shortcuts } = useUi().settings;
  return (
    <Dialog title={t('keys.title')} onClose={onClose}>
      <dl class="keys">
        {LIST.map(({ keys, what }) => (
          <KeyRow key={what} keys={keys} what={t(what as 'keys.talk')} />
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={shortcuts.value}
          onChange={(event) => {
            shortcuts.value = event.currentTarget.checked;
          }}
        />
        {t('keys.enabled')}
      </label>
      <div class="buttons">
        <button type="button" class="button primary" onClick={onClose}>
          {t('app.close')}
        </button>
      </div>
    </Dialog>
  );
}

function KeyRow({ keys, what }: { keys: readonly string[]; what: string }): JSX.Element {
  const apple = /Mac|iP(hone|ad)/.test(navigator.userAgent);
  const shown = (key: string): string => (key === 'Space' ? t('keys.space') : key.replace('Ctrl', apple ? '⌘' : 'Ctrl'));
  return (
    <>
      <dt>
        {keys.map((key, index) => (
          <span key={key}>
            {index > 0 && ` ${t('keys.or')} `}
            <kbd>{shown(key)}</kbd>
          </span>
        ))}
      </dt>
      <dd>{what}</dd>
    </>
  );
}
