import { signal, type ReadonlySignal } from '@preact/signals';
import { ApiError } from '../api/error';
import type { SettingsApi } from '../api/settings';
import type { RelayTestReply } from '../wire/RelayTestReply';
import type { Registration } from '../wire/Registration';
import type { SettingChange } from '../wire/SettingChange';
import type { TextStore } from './environment';
import { isFixed, problemsByKey } from './settings';

/** The steps of setting up a place, in their order. */
export const STEPS = ['place', 'certificate', 'account', 'people', 'relay', 'meeting'] as const;
export type Step = (typeof STEPS)[number];

const KEY = 'hearth.setup';

/** What was decided so far. It outlives a reload of the page and nothing else. */
interface Progress {
  readonly step: Step;
  /** The secret of the one-time link, until it has made the account. */
  readonly token: string;
  readonly name: string;
  readonly address: string;
  readonly registration: Registration | null;
}

const BEGIN: Progress = { step: 'place', token: '', name: '', address: '', registration: null };

/** Setting up a place: what is decided before there is an account waits in this tab until there is one to decide it. */
export class Setup {
  readonly #api: SettingsApi;
  readonly #store: TextStore;
  readonly #progress;
  readonly #problems = signal<ReadonlyMap<string, string>>(new Map());
  readonly #relay = signal<RelayTestReply | ApiError | null>(null);
  readonly #restart = signal(false);

  constructor(api: SettingsApi, store: TextStore) {
    this.#api = api;
    this.#store = store;
    this.#progress = signal(read(store));
  }

  get progress(): ReadonlySignal<Progress> {
    return this.#progress;
  }

  /** What is wrong with the settings of the first step. */
  get problems(): ReadonlySignal<ReadonlyMap<string, string>> {
    return this.#problems;
  }

  /** What the relay's test found; null while it runs. */
  get relay(): ReadonlySignal<RelayTestReply | ApiError | null> {
    return this.#relay;
  }

  /** Whether something that was decided holds only after a restart. */
  get restart(): ReadonlySignal<boolean> {
    return this.#restart;
  }

  /** Whether setting up was begun in this tab. */
  get begun(): boolean {
    return this.#progress.value.step !== 'place' || this.#progress.value.token !== '';
  }

  /** The one-time link was opened. */
  open(token: string): void {
    if (token !== '') this.#keep({ token });
  }

  go(step: Step): void {
    this.#keep({ step });
  }

  /** The step before this one, where there is one to go back to: the account can't be made twice. */
  back(hasAccount: boolean): Step | null {
    const before = STEPS.slice(0, STEPS.indexOf(this.#progress.value.step)).filter((step) => !(hasAccount && step === 'account'));
    return before.at(-1) ?? null;
  }

  /** The step after this one. */
  next(hasAccount: boolean): Step {
    const after = STEPS.slice(STEPS.indexOf(this.#progress.value.step) + 1).filter((step) => !(hasAccount && step === 'account'));
    return after[0] ?? 'meeting';
  }

  decide(decided: Partial<Pick<Progress, 'name' | 'address' | 'registration'>>): void {
    this.#keep(decided);
    this.#problems.value = new Map();
  }

  /** The account is made, and the link is used up. */
  usedUp(): void {
    this.#keep({ token: '' });
  }

  /** It is all done; nothing is left behind. */
  finish(): void {
    this.#progress.value = BEGIN;
    this.#store.setItem(KEY, '');
  }

  /**
   * Tells the server what was decided. True when it holds; otherwise the first step has the problems, when they are about what is
   * asked there.
   */
  async apply(): Promise<boolean> {
    const { name, address, registration } = this.#progress.value;
    const wanted: SettingChange[] = [];
    if (name.trim() !== '') wanted.push({ key: 'server.name', value: name.trim() });
    wanted.push({ key: 'server.public_url', value: address.trim() === '' ? null : address.trim() });
    if (registration) wanted.push({ key: 'accounts.registration', value: registration });
    try {
      const { settings } = await this.#api.read();
      const known = (key: string) => settings.find((setting) => setting.key === key);
      // What somebody wrote into a file stands, and what holds already needs no change.
      const changes = wanted.filter(({ key, value }) => {
        const setting = known(key);
        return setting !== undefined && !isFixed(setting) && (setting.value ?? null) !== value;
      });
      if (changes.length > 0) this.#restart.value = (await this.#api.change({ changes })).waiting.length > 0;
      this.#problems.value = new Map();
      return true;
    } catch (error) {
      const failure = ApiError.from(error);
      if (failure.problems.length === 0) throw failure;
      this.#problems.value = problemsByKey(failure);
      this.go('place');
      return false;
    }
  }

  /** Never rejects. */
  async testRelay(): Promise<void> {
    this.#relay.value = null;
    this.#relay.value = await this.#api.testRelay().catch((error: unknown) => ApiError.from(error));
  }

  dispose(): void {
    this.#relay.value = null;
  }

  #keep(changed: Partial<Progress>): void {
    this.#progress.value = { ...this.#progress.value, ...changed };
    this.#store.setItem(KEY, JSON.stringify(this.#progress.value));
  }
}

/** The kind of an address decides how its certificate is made. */
export function isPublicName(host: string): boolean {
  const name = host.replace(/^https:\/\//, '').replace(/[:/].*$/, '');
  if (!/^[a-z0-9.-]+\.[a-z]{2,}$/i.test(name)) return false;
  return !/\.(local|lan|home|internal|localhost|test|invalid|home\.arpa)$/i.test(name);
}

/** Takes only what is of the right kind: an older page may have written it. */
function read(store: TextStore): Progress {
  try {
    const stored: unknown = JSON.parse(store.getItem(KEY) || '{}');
    if (typeof stored !== 'object' || stored === null) return BEGIN;
    const record = stored as Record<string, unknown>;
    const text = (name: keyof Progress): string => (typeof record[name] === 'string' ? record[name] : '');
    const registration = record['registration'] === 'open' || record['registration'] === 'closed' ? record['registration'] : null;
    const step = STEPS.find((known) => known === record['step']) ?? 'place';
    return { step, token: text('token'), name: text('name'), address: text('address'), registration };
  } catch {
    return BEGIN;
  }
}
