import type { ChangeSettingsRequest } from '../wire/ChangeSettingsRequest';
import type { RelayTestReply } from '../wire/RelayTestReply';
import type { SettingsReply } from '../wire/SettingsReply';
import type { ApiClient } from './client';

/** What administrators may change while the server runs. */
export class SettingsApi {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  read(): Promise<SettingsReply> {
    return this.#client.request('GET', '/api/admin/settings');
  }

  /** All of the changes are made, or none. */
  change(request: ChangeSettingsRequest): Promise<SettingsReply> {
    return this.#client.request('PUT', '/api/admin/settings', request);
  }

  /** Lets the relay send a packet through itself, which may take some seconds. */
  testRelay(): Promise<RelayTestReply> {
    return this.#client.request('POST', '/api/admin/relay-test');
  }
}
