/** What a key can do in a meeting. */
export type Action = 'microphone' | 'camera' | 'chat' | 'people' | 'list' | 'talk';

/** The part of a keyboard event that matters. */
export interface KeyPress {
  readonly key: string;
  readonly code: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly repeat: boolean;
}

/** Where the focus was when the key was pressed. */
export type Focus = 'text' | 'control' | 'elsewhere';

const PLAIN: Readonly<Record<string, Action>> = { m: 'microphone', v: 'camera', c: 'chat', p: 'people', '?': 'list' };
const WITH_CONTROL: Readonly<Record<string, Action>> = { d: 'microphone', e: 'camera' };

/**
 * The action of a key, or null. Keys that write text do nothing in text fields; Space keeps its meaning on buttons.
 * Holding a key down switches once; only "talk" looks at how long.
 */
export function actionOf(press: KeyPress, focus: Focus): Action | null {
  if (press.repeat || press.altKey || focus === 'text') return null;
  const key = press.key.toLowerCase();
  if (press.ctrlKey || press.metaKey) return lookUp(WITH_CONTROL, key);
  if (press.code === 'Space') return focus === 'elsewhere' ? 'talk' : null;
  return lookUp(PLAIN, key);
}

function lookUp(table: Readonly<Record<string, Action>>, key: string): Action | null {
  return Object.hasOwn(table, key) ? (table[key] ?? null) : null;
}

/** What kind of element has the focus. */
export function focusOf(target: EventTarget | null): Focus {
  if (!(target instanceof Element)) return 'elsewhere';
  if (target.closest('input:not([type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable="true"]')) return 'text';
  return target.closest('button, a, summary, input, [role=menuitem], [role=menuitemradio], dialog') ? 'control' : 'elsewhere';
}
