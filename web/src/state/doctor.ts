import { signal, type ReadonlySignal } from '@preact/signals';
import type { ApiClient } from '../api/client';
import { DoctorApi } from '../api/doctor';
import { ApiError } from '../api/error';
import type { DoctorState } from '../wire/DoctorState';
import type { OutsideLink } from '../wire/OutsideLink';

/** How long after an answer the next one is asked for while something is under way. */
const SOON_MS = 1_500;

/** A visit to the doctor of this page's server. */
export function newVisit(client: ApiClient): DoctorVisit {
  return new DoctorVisit(new DoctorApi(client));
}

/** What the doctor of this server found, for as long as somebody looks at it. */
export class DoctorVisit {
  readonly #api: DoctorApi;
  readonly #state = signal<DoctorState | null>(null);
  readonly #link = signal<OutsideLink | null>(null);
  readonly #error = signal<ApiError | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #gone = false;

  constructor(api: DoctorApi) {
    this.#api = api;
  }

  /** Null until the server answered. */
  get state(): ReadonlySignal<DoctorState | null> {
    return this.#state;
  }

  /** The link that was made during this visit; the server tells it once. */
  get link(): ReadonlySignal<OutsideLink | null> {
    return this.#link;
  }

  /** Why the last request got no answer; null when it got one. */
  get error(): ReadonlySignal<ApiError | null> {
    return this.#error;
  }

  /** Reads what was found last. A doctor that has not looked yet begins to. Never rejects. */
  async start(): Promise<void> {
    await this.#take(() => this.#api.state());
    const state = this.#state.peek();
    if (state && !state.running && state.examinedAt === null) await this.lookAgain();
  }

  /** Never rejects; see `error`. */
  async lookAgain(): Promise<void> {
    await this.#take(() => this.#api.begin());
  }

  /** Makes a link for a phone. Never rejects; see `error`. */
  async prepare(): Promise<void> {
    await this.#take(async () => {
      this.#link.value = await this.#api.prepare();
      return this.#api.state();
    });
  }

  dispose(): void {
    this.#gone = true;
    clearTimeout(this.#timer);
  }

  async #take(request: () => Promise<DoctorState>): Promise<void> {
    clearTimeout(this.#timer);
    try {
      this.#state.value = await request();
      this.#error.value = null;
    } catch (error) {
      this.#error.value = ApiError.from(error);
    }
    clearTimeout(this.#timer);
    if (!this.#gone && this.#isUnderWay()) this.#timer = setTimeout(() => void this.#take(() => this.#api.state()), SOON_MS);
  }

  #isUnderWay(): boolean {
    const state = this.#state.peek();
    return state !== null && (state.running || (this.#link.peek() !== null && state.outside?.done === false));
  }
}
