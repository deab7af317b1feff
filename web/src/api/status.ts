import type { ServerStatus } from '../wire/ServerStatus';
import type { ApiClient } from './client';

/** How the server is doing, for its administrators. */
export class StatusApi {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  read(): Promise<ServerStatus> {
    return this.#client.request('GET', '/api/admin/status');
  }
}
