import { signal, type ReadonlySignal } from '@preact/signals';
import { ApiError } from '../api/error';
import type { SettingsApi } from '../api/settings';
import type { StatusApi } from '../api/status';
import type { CertificateInfo } from '../wire/CertificateInfo';
import type { RelayTestReply } from '../wire/RelayTestReply';
import type { Registration } from '../wire/Registration';
import type { SettingChange } from '../wire/SettingChange';
import type { SettingInfo } from '../wire/SettingInfo';
import type { SettingOrigin } from '../wire/SettingOrigin';
import type { SettingValue } from '../wire/SettingValue';
import type { TextStore } from './environment';
import { isFixed, problemsByKey } from './settings';

/** The steps of setting up a place, in their order. */
export const STEPS = ['place', 'certificate', 'account', 'people', 'relay', 'meeting'] as const;
export type Step = (typeof STEPS)[number];

/** Who vouches for the server: an authority that browsers know, or the server itself. */
export type Vouching = 'acme' | 'local';

const KEY = 'hearth.setup';

/** How often the server is asked whether its certificate has come. */
const ASK_EVERY_MS = 2000;

/** What was decided so far. It outlives a reload of the page and nothing else. */
interface Progress {
  readonly step: Step;
  /** The secret of the one-time link, until it has made the account. */
  readonly token: string;
  readonly name: string;
  readonly address: string;
  readonly vouching: Vouching | null;
  readonly registration: Registration | null;
}

/** Something that was decided here, though a file or the like says something else, which holds. */
export interface Overruled {
  readonly key: string;
  readonly value: SettingValue | undefined;
  readonly origin: SettingOrigin;
}

const BEGIN: Progress = { step: 'place', token: '', name: '', address: '', vouching: null, registration: null };

/** Setting up a place: what is decided before there is an account waits in this tab until there is one to decide it. */
export class Setup {
  readonly #api: SettingsApi;
  readonly #status: StatusApi;
  readonly #store: TextStore;
  readonly #progress;
  readonly #problems = signal<ReadonlyMap<string, string>>(new Map());
  readonly #relay = signal<RelayTestReply | ApiError | null>(null);
  readonly #certificate = signal<CertificateInfo | null>(null);
  readonly #settings = signal<readonly SettingInfo[]>([]);
  #asking: ReturnType<typeof setTimeout> | undefined;
  /** Grows whenever the certificate is followed from anew or no more: answers that come later are none of anybody's. */
  #following = 0;

  constructor(api: SettingsApi, status: StatusApi, store: TextStore) {
    this.#api = api;
    this.#status = status;
    this.#store = store;
    this.#progress = signal(read(store));
  }

  get progress(): ReadonlySignal<Progress> {
    return this.#progress;
  }

  /** What is wrong with the settings of the first steps. */
  get problems(): ReadonlySignal<ReadonlyMap<string, string>> {
    return this.#problems;
  }

  /** What the relay's test found; null while it runs. */
  get relay(): ReadonlySignal<RelayTestReply | ApiError | null> {
    return this.#relay;
  }

  /** The certificate that the server shows, while it is followed. */
  get certificate(): ReadonlySignal<CertificateInfo | null> {
    return this.#certificate;
  }

  /** Who decided a setting, where that can't be changed here; null where it can, or where nothing is known yet. */
  decidedBy(key: string): SettingOrigin | null {
    const setting = this.#known(key);
    return setting !== undefined && isFixed(setting) ? setting.origin : null;
  }

  /** What a setting is, as the server last told. */
  held(key: string): SettingValue | undefined {
    return this.#known(key)?.value;
  }

  /** The address of this place: what was decided here, unless a file decides it. */
  get address(): string {
    const held = this.held('server.public_url');
    return this.decidedBy('server.public_url') !== null && typeof held === 'string' ? held : this.#progress.value.address;
  }

  /** What was decided here in vain. */
  get overruled(): readonly Overruled[] {
    return this.#wanted().flatMap(({ key, value }) => {
      const [setting, origin] = [this.#known(key), this.decidedBy(key)];
      if (setting === undefined || origin === null || value === null || value === setting.value) return [];
      return [{ key, value: setting.value, origin }];
    });
  }

  /** The address for which the server asks a public authority, by what holds there; null where it asks none. */
  get awaited(): string | null {
    const [address, mode] = [this.held('server.public_url'), this.held('tls.mode')];
    if (typeof address !== 'string' || address === '') return null;
    // Left to itself, the server asks where the address can be vouched for and nobody gave it files.
    const asksByItself = mode === 'auto' && isPublicName(address) && !/:\d+$/.test(address) && this.#certificate.value?.source !== 'files';
    return mode === 'acme' || asksByItself ? address : null;
  }

  /** Whether the public authority has given the certificate for the address. */
  get isVouchedFor(): boolean {
    const [address, shown] = [this.awaited, this.#certificate.value];
    return address !== null && shown !== null && shown.source === 'acme' && shown.names.includes(hostOf(address));
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

  decide(decided: Partial<Pick<Progress, 'name' | 'address' | 'vouching' | 'registration'>>): void {
    // Nobody vouches for a name that there is not.
    this.#keep(decided.address === '' ? { ...decided, vouching: null } : decided);
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
   * Tells the server what was decided. True when it holds; otherwise one of the first steps has the problems, when they are about
   * what is asked there.
   */
  async apply(): Promise<boolean> {
    try {
      this.#settings.value = (await this.#api.read()).settings;
      // What somebody wrote into a file stands, and what holds already needs no change.
      const changes = this.#wanted().filter(({ key, value }) => {
        const setting = this.#known(key);
        return setting !== undefined && !isFixed(setting) && setting.value !== (value ?? setting.default);
      });
      if (changes.length > 0) this.#settings.value = (await this.#api.change({ changes })).settings;
      this.#problems.value = new Map();
      return true;
    } catch (error) {
      const failure = ApiError.from(error);
      if (failure.problems.length === 0) throw failure;
      this.#problems.value = problemsByKey(failure);
      this.go(failure.problems.some(({ key }) => key.startsWith('server.')) ? 'place' : 'certificate');
      return false;
    }
  }

  /** Never rejects. */
  async testRelay(): Promise<void> {
    this.#relay.value = null;
    this.#relay.value = await this.#api.testRelay().catch((error: unknown) => ApiError.from(error));
  }

  /** Learns what holds, and who decided it. Never rejects: what can't be asked for now is not known. */
  async learn(): Promise<void> {
    const reply = await this.#api.read().catch(() => null);
    if (reply) this.#settings.value = reply.settings;
  }

  /** Asks for the certificate again and again, until it is there or nobody wants to know any more. Never rejects. */
  async followCertificate(): Promise<void> {
    this.stopFollowing();
    const following = this.#following;
    if (this.#settings.value.length === 0) await this.learn();
    const isKnown = this.#settings.value.length > 0;
    // What can't be asked for now is asked for again.
    const status = isKnown && this.awaited !== null ? await this.#status.read().catch(() => null) : null;
    if (following !== this.#following) return;
    if (status) this.#certificate.value = status.certificate;
    if (isKnown && (this.awaited === null || this.isVouchedFor)) return;
    this.#asking = setTimeout(() => void this.followCertificate(), ASK_EVERY_MS);
  }

  stopFollowing(): void {
    this.#following += 1;
    clearTimeout(this.#asking);
    this.#asking = undefined;
  }

  dispose(): void {
    this.stopFollowing();
    this.#relay.value = null;
  }

  #known(key: string): SettingInfo | undefined {
    return this.#settings.value.find((setting) => setting.key === key);
  }

  /** What was decided, as changes of settings. */
  #wanted(): SettingChange[] {
    const { name, address, vouching, registration } = this.#progress.value;
    const wanted: SettingChange[] = [];
    if (name.trim() !== '') wanted.push({ key: 'server.name', value: name.trim() });
    wanted.push({ key: 'server.public_url', value: address.trim() === '' ? null : address.trim() });
    // Without an address there is nothing that anybody else could vouch for, and the server knows that by itself.
    wanted.push({ key: 'tls.mode', value: this.address.trim() === '' ? null : vouching });
    if (registration) wanted.push({ key: 'accounts.registration', value: registration });
    return wanted;
  }

  #keep(changed: Partial<Progress>): void {
    this.#progress.value = { ...this.#progress.value, ...changed };
    this.#store.setItem(KEY, JSON.stringify(this.#progress.value));
  }
}

/** The name or address alone, of an origin as people write it. */
export function hostOf(address: string): string {
  const authority = address.trim().replace(/^https:\/\//i, '').replace(/\/.*$/, '').toLowerCase();
  return authority.startsWith('[') ? authority.slice(1, authority.indexOf(']')) : authority.replace(/:\d*$/, '');
}

/** Whether an authority would likely vouch for this host. A suggestion, which the reader may overrule: the server finds out. */
export function isPublicName(host: string): boolean {
  const name = hostOf(host);
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
    const vouching = record['vouching'] === 'acme' || record['vouching'] === 'local' ? record['vouching'] : null;
    const registration = record['registration'] === 'open' || record['registration'] === 'closed' ? record['registration'] : null;
    const step = STEPS.find((known) => known === record['step']) ?? 'place';
    return { step, token: text('token'), name: text('name'), address: text('address'), vouching, registration };
  } catch {
    return BEGIN;
  }
}
