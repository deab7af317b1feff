import type { JSX } from 'preact';
import { settings as words } from '../i18n/settings';
import type { SettingOrigin } from '../wire/SettingOrigin';

const NOTES = {
  file: 'settings.file',
  environment: 'settings.environment',
  flag: 'settings.flag',
  default: null,
  browser: null,
} as const satisfies Record<SettingOrigin, unknown>;

/** Says who decided a setting, where it can't be changed in the browser; otherwise nothing. */
export function FixedNote({ origin }: { origin: SettingOrigin | null }): JSX.Element | null {
  const note = origin === null ? null : NOTES[origin];
  return note === null ? null : <p class="aside-note">{words.words(note)}</p>;
}
