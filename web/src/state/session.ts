import { signal, type ReadonlySignal } from '@preact/signals';
import type { AuthApi } from '../api/auth';
import { ApiError } from '../api/error';
import type { ServerApi } from '../api/server';
import type { Account } from '../wire/Account';
import type { ServerInfo } from '../wire/ServerInfo';
import type { Environment } from './environment';
import { speaksOurProtocol } from './reload';

export { ApiError } from '../api/error';

/** Which server this is and who is signed in. */
export class Session {
  readonly #auth: AuthApi;
  readonly #serverApi: ServerApi;
  readonly #environment: Pick<Environment, 'tab' | 'reload'>;
  readonly #server = signal<ServerInfo | null>(null);
  readonly #user = signal<Account | null | undefined>(undefined);
  readonly #error = signal<ApiError | null>(null);

  constructor(auth: AuthApi, server: ServerApi, environment: Pick<Environment, 'tab' | 'reload'>) {
    this.#auth = auth;
    this.#serverApi = server;
    this.#environment = environment;
    auth.onSignedIn(({ user }) => this.#know(user));
    auth.onSignedOut(() => this.#know(null));
  }

  /** Null until it answered. */
  get server(): ReadonlySignal<ServerInfo | null> {
    return this.#server;
  }

  /** Undefined while it is not known; null when nobody is signed in. */
  get user(): ReadonlySignal<Account | null | undefined> {
    return this.#user;
  }

  /** Why `start` did not learn everything, or signing out failed; `start` may be called again. */
  get error(): ReadonlySignal<ApiError | null> {
    return this.#error;
  }

  /** Learns which server this is and whether somebody is signed in. Never rejects. */
  async start(): Promise<void> {
    this.#error.value = null;
    await Promise.all([this.#learnServer(), this.#learnUser()]);
  }

  async signIn(email: string, password: string): Promise<void> {
    await this.#auth.login({ email, password });
  }

  async register(email: string, name: string, password: string): Promise<void> {
    await this.#auth.register({ email, name, password });
  }

  async setup(token: string, email: string, name: string, password: string): Promise<void> {
    await this.#auth.setup({ token, email, name, password });
    const server = this.#server.value;
    if (server) this.#server.value = { ...server, needsSetup: false };
  }

  /** True when it succeeded. Never rejects; see `error`. */
  async signOut(): Promise<boolean> {
    try {
      await this.#auth.logout();
      this.#know(null);
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  async #learnServer(): Promise<void> {
    try {
      const server = await this.#serverApi.info();
      if (speaksOurProtocol(server.protocol, this.#environment)) this.#server.value = server;
    } catch (error) {
      this.#fail(error);
    }
  }

  async #learnUser(): Promise<void> {
    try {
      await this.#auth.refresh();
    } catch (error) {
      // Only a refusal says that nobody is signed in; whoever was known before still is.
      if (!(error instanceof ApiError && error.status === 401)) this.#fail(error);
    }
  }

  #know(user: Account | null): void {
    this.#user.value = user;
    if (this.#server.peek()) this.#error.value = null;
  }

  #fail(error: unknown): void {
    this.#error.value = ApiError.from(error);
  }
}
