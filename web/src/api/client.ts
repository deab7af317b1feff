import type { ErrorBody } from '../wire/ErrorBody';
import type { SignedIn } from '../wire/SignedIn';
import { ApiError } from './error';

const TIMEOUT_MS = 30_000;

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** A request that needs nothing but its answer. */
export type Fetch = (path: string, init: RequestInit) => Promise<Response>;

/** The browser's own. Answers never come from its cache, since they belong to whoever is signed in. */
export function browserFetch(path: string, init: RequestInit): Promise<Response> {
  return fetch(path, { ...init, cache: 'no-store' });
}

/**
 * Speaks to the server. Keeps the access token, in memory and nowhere else, and gets a new one once when it is not accepted
 * any more; requests that fail at the same time share that one renewal.
 */
export class ApiClient {
  readonly #fetch: Fetch;
  #token: string | null = null;
  #renewal: Promise<SignedIn> | null = null;
  /** The last renewal got no answer about who this is: somebody may be signed in all the same. */
  #unsure = false;
  /** Called with each new sign-in, whoever asked for it. */
  signedIn: (signedIn: SignedIn) => void = () => undefined;
  /** Called when the server no longer knows who this is. */
  signedOut: () => void = () => undefined;

  constructor(fetch: Fetch) {
    this.#fetch = fetch;
  }

  /** A request in the name of whoever is signed in, if anybody is. */
  async request<T>(method: Method, path: string, body?: object): Promise<T> {
    if (this.#token === null) await this.#learnWho();
    const token = this.#token;
    try {
      return await this.#send<T>(method, path, body, token);
    } catch (error) {
      if (token === null || !isUnauthenticated(error)) throw error;
      // Another request may have renewed it while this one was under way.
      if (this.#token === token) await this.renew();
      return this.#send<T>(method, path, body, this.#token);
    }
  }

  /** A request whose answer is the same for everybody. */
  requestAsAnybody<T>(method: Method, path: string): Promise<T> {
    return this.#send(method, path, undefined, null);
  }

  /** A request that signs in. */
  async signIn(path: string, body: object): Promise<SignedIn> {
    return this.#accept(await this.#send<SignedIn>('POST', path, body, null));
  }

  /** Gets a new access token with the cookie that scripts can't read. */
  renew(): Promise<SignedIn> {
    this.#renewal ??= this.#renewOnce().finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  /** Ends the sign-in on this device. */
  async signOut(path: string): Promise<void> {
    await this.#send('POST', path, undefined, this.#token);
    this.#token = null;
    this.#unsure = false;
  }

  /** While the page has yet to learn who is signed in, nobody may be taken for a guest: a request that can't learn it fails. */
  async #learnWho(): Promise<void> {
    await this.#renewal?.catch(() => undefined);
    if (!this.#unsure) return;
    await this.renew().catch((error: unknown) => {
      if (!isUnauthenticated(error)) throw error;
    });
  }

  async #renewOnce(): Promise<SignedIn> {
    try {
      return this.#accept(await this.#send<SignedIn>('POST', '/api/auth/refresh', undefined, null));
    } catch (error) {
      this.#unsure = !isUnauthenticated(error);
      if (!this.#unsure) {
        this.#token = null;
        this.signedOut();
      }
      throw error;
    }
  }

  #accept(signedIn: SignedIn): SignedIn {
    this.#token = signedIn.accessToken;
    this.#unsure = false;
    this.signedIn(signedIn);
    return signedIn;
  }

  async #send<T>(method: Method, path: string, body: object | undefined, token: string | null): Promise<T> {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (token !== null) headers['authorization'] = `Bearer ${token}`;
    const init: RequestInit = { method, headers, credentials: 'same-origin', signal: AbortSignal.timeout(TIMEOUT_MS) };
    if (body !== undefined) init.body = JSON.stringify(body);
    const response = await this.#fetch(path, init).catch(() => {
      throw ApiError.network();
    });
    const answer = await readJson(response);
    if (response.ok) return answer as T;
    throw isErrorBody(answer) ? new ApiError(answer.error, response.status) : ApiError.badAnswer(response.status);
  }
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    throw ApiError.badAnswer(response.status);
  }
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

function isErrorBody(value: unknown): value is ErrorBody {
  if (typeof value !== 'object' || value === null || !('error' in value)) return false;
  const detail = value.error;
  if (typeof detail !== 'object' || detail === null || !('code' in detail) || !('message' in detail)) return false;
  return typeof detail.code === 'string' && typeof detail.message === 'string';
}
