import type { LoginRequest } from '../wire/LoginRequest';
import type { RegisterRequest } from '../wire/RegisterRequest';
import type { SetupRequest } from '../wire/SetupRequest';
import type { SignedIn } from '../wire/SignedIn';
import type { ApiClient } from './client';

/** Accounts and sign-in. */
export class AuthApi {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  login(request: LoginRequest): Promise<SignedIn> {
    return this.#client.signIn('/api/auth/login', request);
  }

  register(request: RegisterRequest): Promise<SignedIn> {
    return this.#client.signIn('/api/auth/register', request);
  }

  setup(request: SetupRequest): Promise<SignedIn> {
    return this.#client.signIn('/api/setup', request);
  }

  refresh(): Promise<SignedIn> {
    return this.#client.renew();
  }

  logout(): Promise<void> {
    return this.#client.signOut('/api/auth/logout');
  }

  /** Calls back with each new sign-in. */
  onSignedIn(callback: (signedIn: SignedIn) => void): void {
    this.#client.signedIn = callback;
  }

  /** Calls back when the server no longer knows who this is. */
  onSignedOut(callback: () => void): void {
    this.#client.signedOut = callback;
  }
}
