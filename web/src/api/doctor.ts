import type { CheckReply } from '../wire/CheckReply';
import type { CheckReport } from '../wire/CheckReport';
import type { DoctorState } from '../wire/DoctorState';
import type { Done } from '../wire/Done';
import type { OutsideLink } from '../wire/OutsideLink';
import type { ApiClient } from './client';

/** What is wrong with the place where the server stands, for its administrators. */
export class DoctorApi {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  state(): Promise<DoctorState> {
    return this.#client.request('GET', '/api/admin/doctor');
  }

  begin(): Promise<DoctorState> {
    return this.#client.request('POST', '/api/admin/doctor');
  }

  /** A link for a phone. The one before is good no more. */
  prepare(): Promise<OutsideLink> {
    return this.#client.request('POST', '/api/admin/doctor/outside');
  }
}

/** The other side: whoever has such a link. */
export class CheckApi {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  begin(token: string): Promise<CheckReply> {
    return this.#client.request('POST', '/api/check/begin', { token });
  }

  report(report: CheckReport): Promise<Done> {
    return this.#client.request('POST', '/api/check/report', report);
  }
}
