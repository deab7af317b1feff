import { effect, type Signal, signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';

const THEME_KEY = 'hearth.theme';
const SHORTCUTS_KEY = 'hearth.shortcuts';

/** What the reader chose about the page itself, remembered on this device. Lives as long as the page. */
export class Settings {
  readonly theme: Signal<Theme>;
  readonly shortcuts: Signal<boolean>;

  /** `storage` is null where the browser refuses one: then choices last as long as the page. */
  constructor(storage: Storage | null, root: HTMLElement) {
    this.theme = signal(themeFrom(read(storage, THEME_KEY)));
    this.shortcuts = signal(read(storage, SHORTCUTS_KEY) !== 'off');
    effect(() => {
      const theme = this.theme.value;
      if (theme === 'auto') root.removeAttribute('data-theme');
      else root.setAttribute('data-theme', theme);
      write(storage, THEME_KEY, theme);
    });
    effect(() => write(storage, SHORTCUTS_KEY, this.shortcuts.value ? 'on' : 'off'));
  }
}

/** The browser's storage, or null where touching it is refused. */
export function storageOf(browser: Window): Storage | null {
  try {
    return browser.localStorage;
  } catch {
    return null;
  }
}

function themeFrom(text: string | null): Theme {
  return text === 'light' || text === 'dark' ? text : 'auto';
}

function read(storage: Storage | null, key: string): string | null {
  try {
    return storage?.getItem(key) ?? null;
  } catch {
    return null;
  }
}

function write(storage: Storage | null, key: string, value: string): void {
  try {
    storage?.setItem(key, value);
  } catch {
    // A full or forbidden storage costs nothing but the memory of the choice.
  }
}
