import { signal, type ReadonlySignal } from '@preact/signals';
import type { ApiClient } from '../api/client';
import { CheckApi } from '../api/doctor';
import { ApiError } from '../api/error';
import { gather } from '../media/gather';
import { browserRtc, type Rtc } from '../media/rtc';
import type { CheckLane } from '../wire/CheckLane';
import type { CheckTransport } from '../wire/CheckTransport';

/** The test in this browser. */
export function newCheck(client: ApiClient): Check {
  return new Check(new CheckApi(client), browserRtc());
}

/** The longest reason that is reported; the server keeps no more. */
const MAX_REASON = 200;

/** One way to the relay, and how far this browser got on it. */
export interface Way {
  readonly transport: CheckTransport;
  readonly outcome: 'trying' | 'reached' | 'missed';
  /** What the browser says, where it was missed and says anything. */
  readonly reason: string | null;
}

/** The test from outside, as the phone does it: tries each way to the relay by itself and reports each as it ends. */
export class Check {
  readonly #api: CheckApi;
  readonly #rtc: Rtc;
  readonly #ways = signal<readonly Way[]>([]);
  readonly #done = signal(false);
  readonly #error = signal<ApiError | null>(null);

  constructor(api: CheckApi, rtc: Rtc) {
    this.#api = api;
    this.#rtc = rtc;
  }

  /** Empty until the server has said which there are. */
  get ways(): ReadonlySignal<readonly Way[]> {
    return this.#ways;
  }

  /** Everything was tried and reported. */
  get done(): ReadonlySignal<boolean> {
    return this.#done;
  }

  get error(): ReadonlySignal<ApiError | null> {
    return this.#error;
  }

  /** Never rejects; see `error`. */
  async run(token: string): Promise<void> {
    try {
      const { lanes } = await this.#api.begin(token);
      this.#ways.value = lanes.map(({ transport }) => ({ transport, outcome: 'trying', reason: null }));
      await Promise.all(lanes.map((lane) => this.#try(token, lane)));
      this.#done.value = true;
    } catch (error) {
      this.#error.value = ApiError.from(error);
    }
  }

  async #try(token: string, { transport, iceServers }: CheckLane): Promise<void> {
    const { reason, ...reached } = await gather(this.#rtc, iceServers);
    const told = reached.relayed || reason === null ? null : reason.slice(0, MAX_REASON);
    const way: Way = { transport, outcome: reached.relayed ? 'reached' : 'missed', reason: told };
    this.#ways.value = this.#ways.value.map((other) => (other.transport === transport ? way : other));
    await this.#api.report({ token, transport, ...reached, ...(told === null ? {} : { reason: told }) });
  }
}
