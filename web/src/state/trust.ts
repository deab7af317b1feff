import { signal, type ReadonlySignal } from '@preact/signals';
import { ApiError } from '../api/error';
import type { ServerApi } from '../api/server';
import type { TrustInfo } from '../wire/TrustInfo';

/** What a device needs to trust this server. */
export class Trust {
  readonly #server: Pick<ServerApi, 'trust'>;
  readonly #info = signal<TrustInfo | null>(null);
  readonly #error = signal<ApiError | null>(null);

  constructor(server: Pick<ServerApi, 'trust'>) {
    this.#server = server;
  }

  /** Null until loaded. */
  get info(): ReadonlySignal<TrustInfo | null> {
    return this.#info;
  }

  /** Why it could not be loaded; `load` may be called again. */
  get error(): ReadonlySignal<ApiError | null> {
    return this.#error;
  }

  /** Never rejects; see `error`. */
  async load(): Promise<void> {
    try {
      this.#error.value = null;
      this.#info.value = await this.#server.trust();
    } catch (error) {
      this.#error.value = ApiError.from(error);
    }
  }
}
