import type { ServerInfo } from '../wire/ServerInfo';
import type { TrustInfo } from '../wire/TrustInfo';
import type { ApiClient } from './client';

/** What anybody may know of the server. */
export class ServerApi {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  info(): Promise<ServerInfo> {
    return this.#client.requestAsAnybody('GET', '/api/server');
  }

  /** Who vouches for the server's certificate, and what a device needs to trust it. */
  trust(): Promise<TrustInfo> {
    return this.#client.requestAsAnybody('GET', '/api/trust');
  }
}
