import { computed, signal, type ReadonlySignal } from '@preact/signals';
import { ApiError } from '../api/error';
import type { SettingsApi } from '../api/settings';
import type { OtherIceServer } from '../wire/OtherIceServer';
import type { SettingChange } from '../wire/SettingChange';
import type { SettingInfo } from '../wire/SettingInfo';
import type { SettingValue } from '../wire/SettingValue';
import type { SettingsReply } from '../wire/SettingsReply';

/** How a setting is edited. */
export type Kind = 'flag' | 'number' | 'text' | 'list' | 'servers';

/** What stands in a field: lists have a line for each part. */
export type Draft = boolean | string | readonly OtherIceServer[];

/** What the value alone can't tell, since there may be none. */
const KINDS: Readonly<Record<string, Kind>> = { 'ice.servers': 'servers', 'relay.max_kbps': 'number' };

export function kindOf({ key, value, default: usual }: SettingInfo): Kind {
  const known = KINDS[key];
  if (known) return known;
  const sample = usual ?? value;
  if (typeof sample === 'boolean') return 'flag';
  if (typeof sample === 'number') return 'number';
  return Array.isArray(sample) ? 'list' : 'text';
}

/** Whether the browser may change it: what somebody wrote down by hand wins. */
export function isFixed({ origin }: SettingInfo): boolean {
  return origin !== 'default' && origin !== 'browser';
}

/** The settings as an administrator edits them: all changes are sent together. */
export class SettingsEditor {
  readonly #api: SettingsApi;
  readonly #reply = signal<SettingsReply | null>(null);
  readonly #drafts = signal<ReadonlyMap<string, Draft | null>>(new Map());
  readonly #problems = signal<ReadonlyMap<string, string>>(new Map());
  readonly #error = signal<ApiError | null>(null);
  readonly #busy = signal(false);
  readonly #saved = signal(false);
  /** Whether there is something to save. */
  readonly changed: ReadonlySignal<boolean> = computed(() => this.#changes().length > 0);

  constructor(api: SettingsApi) {
    this.#api = api;
  }

  /** What the server last said; null before. */
  get reply(): ReadonlySignal<SettingsReply | null> {
    return this.#reply;
  }

  /** What went wrong with the whole; the problems of single settings stand beside them. */
  get error(): ReadonlySignal<ApiError | null> {
    return this.#error;
  }

  get busy(): ReadonlySignal<boolean> {
    return this.#busy;
  }

  /** Whether the last changes were taken, and nothing was edited since. */
  get saved(): ReadonlySignal<boolean> {
    return this.#saved;
  }

  /** Loads what holds. Never rejects. */
  async load(): Promise<void> {
    await this.#ask(() => this.#api.read());
  }

  /** What stands in the field of a setting. */
  shown(setting: SettingInfo): Draft {
    const draft = this.#drafts.value.get(setting.key);
    if (draft === null) return draftOf(setting, setting.default);
    return draft ?? draftOf(setting, setting.value);
  }

  problem(key: string): string | undefined {
    return this.#problems.value.get(key);
  }

  /** Problems with settings that are not among `shown`: they stand in a file. */
  otherProblems(shown: readonly string[]): string[] {
    return [...this.#problems.value].filter(([key]) => !shown.includes(key)).map(([key, text]) => `${key}: ${text}`);
  }

  /** Puts something else into the field; null takes back what was set in the browser. */
  edit(key: string, draft: Draft | null): void {
    this.#drafts.value = new Map(this.#drafts.value).set(key, draft);
    this.#saved.value = false;
  }

  /** Sends what was changed. True when it was taken. Never rejects. */
  async save(): Promise<boolean> {
    const changes = this.#changes();
    const taken = await this.#ask(() => this.#api.change({ changes }));
    if (taken) this.#drafts.value = new Map();
    this.#saved.value = taken;
    return taken;
  }

  dispose(): void {
    this.#drafts.value = new Map();
  }

  async #ask(request: () => Promise<SettingsReply>): Promise<boolean> {
    if (this.#busy.peek()) return false;
    this.#busy.value = true;
    try {
      this.#reply.value = await request();
      this.#error.value = null;
      this.#problems.value = new Map();
      return true;
    } catch (error) {
      const failure = ApiError.from(error);
      this.#error.value = failure;
      this.#problems.value = problemsByKey(failure);
      return false;
    } finally {
      this.#busy.value = false;
    }
  }

  #changes(): SettingChange[] {
    const drafts = this.#drafts.value;
    const settings = this.#reply.value?.settings ?? [];
    const changed = settings.flatMap((setting): SettingChange[] => {
      const draft = drafts.get(setting.key);
      if (draft === undefined) return [];
      const value = draft === null ? null : valueOf(setting, draft);
      const before = setting.origin === 'default' ? null : (setting.value ?? null);
      const same = sameValue(value, before) || (setting.origin === 'default' && sameValue(value, setting.value ?? null));
      return same ? [] : [{ key: setting.key, value }];
    });
    return changed;
  }
}

/** One text for each setting, however much is wrong with it. */
export function problemsByKey({ problems }: ApiError): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const { key, message, mend } of problems) {
    // The mend of this one tells how to write it into a file.
    const text = key === 'ice.servers' ? `${message}.` : `${message} — ${mend}.`;
    const before = texts.get(key);
    texts.set(key, before === undefined ? text : `${before} ${text}`);
  }
  return texts;
}

function draftOf(setting: SettingInfo, value: SettingValue | undefined): Draft {
  const kind = kindOf(setting);
  if (kind === 'servers') return Array.isArray(value) ? (value as OtherIceServer[]) : [];
  if (kind === 'flag') return value === true;
  if (Array.isArray(value)) return value.join('\n');
  return value === undefined ? '' : String(value);
}

/** What the server is told. What can't be a value goes as it was written: the server says what is wrong with it. */
function valueOf(setting: SettingInfo, draft: Draft): SettingValue | null {
  if (typeof draft === 'boolean') return draft;
  if (typeof draft !== 'string') return draft.length === 0 ? null : [...draft];
  const text = draft.trim();
  switch (kindOf(setting)) {
    case 'number':
      if (text === '') return null;
      return /^\d{1,9}$/.test(text) ? Number(text) : text;
    case 'list':
      return text.split(/\s+/).filter((part) => part !== '');
    default:
      return text === '' && setting.default === undefined ? null : text;
  }
}

function sameValue(one: SettingValue | null, other: SettingValue | null): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
