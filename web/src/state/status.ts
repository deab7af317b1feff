import { signal, type ReadonlySignal } from '@preact/signals';
import { ApiError } from '../api/error';
import type { StatusApi } from '../api/status';
import type { ServerStatus } from '../wire/ServerStatus';

/** How long after an answer the next one is asked for. */
const EVERY_MS = 5_000;

/** How the server is doing, asked for again and again while somebody looks. */
export class StatusWatch {
  readonly #api: StatusApi;
  readonly #status = signal<ServerStatus | null>(null);
  readonly #error = signal<ApiError | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looking = false;
  #asking = false;

  constructor(api: StatusApi) {
    this.#api = api;
  }

  /** The last answer; null before the first. */
  get status(): ReadonlySignal<ServerStatus | null> {
    return this.#status;
  }

  /** Why the last question got no answer; null when it got one. */
  get error(): ReadonlySignal<ApiError | null> {
    return this.#error;
  }

  /** Whether somebody looks. The first answer after a pause is asked for at once. */
  look(yes: boolean): void {
    if (this.#looking === yes) return;
    this.#looking = yes;
    clearTimeout(this.#timer);
    if (yes) void this.#ask();
  }

  dispose(): void {
    this.look(false);
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      this.#status.value = await this.#api.read();
      this.#error.value = null;
    } catch (error) {
      this.#error.value = ApiError.from(error);
    }
    this.#asking = false;
    if (this.#looking) this.#timer = setTimeout(() => void this.#ask(), EVERY_MS);
  }
}
