import { signal, type ReadonlySignal } from '@preact/signals';
import type { AuthApi } from '../api/auth';
import { ApiError } from '../api/error';
import type { ServerApi } from '../api/server';
import type { Account } from '../wire/Account';
import type { ServerInfo } from '../wire/ServerInfo';
import type { SignedIn } from '../wire/SignedIn';
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
    auth.onSignedOut(() => {
      this.#user.value = null;
    });
  }

  /** Null until it answered. */
  get server(): ReadonlySignal<ServerInfo | null> {
    return this.#server;
  }

  /** Undefined until it is known; null when nobody is signed in. */
  get user(): ReadonlySignal<Account | null | undefined> {
    return this.#user;
  }

  /** Why `start` did not learn everything; `start` may be called again. */
  get error(): ReadonlySignal<ApiError | null> {
    return this.#error;
  }

  /** Learns which server this is and whether somebody is signed in. Never rejects. */
  async start(): Promise<void> {
    this.#error.value = null;
    await Promise.all([this.#learnServer(), this.#learnUser()]);
  }

  async signIn(email: string, password: string): Promise<void> {
    this.#enter(await this.#auth.login({ email, password }));
  }

  async register(email: string, name: string, password: string): Promise<void> {
    this.#enter(await this.#auth.register({ email, name, password }));
  }

  async setup(token: string, email: string, name: string, password: string): Promise<void> {
    this.#enter(await this.#auth.setup({ token, email, name, password }));
    const server = this.#server.value;
    if (server) this.#server.value = { ...server, needsSetup: false };
  }

  async signOut(): Promise<void> {
    await this.#auth.logout();
    this.#user.value = null;
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
      this.#enter(await this.#auth.refresh());
    } catch (error) {
      this.#user.value ??= null;
      if (!(error instanceof ApiError && error.status === 401)) this.#fail(error);
    }
  }

  #enter(signedIn: SignedIn): void {
    this.#user.value = signedIn.user;
  }

  #fail(error: unknown): void {
    this.#error.value = ApiError.from(error);
  }
}
