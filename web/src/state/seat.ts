import { signal, type ReadonlySignal } from '@preact/signals';
import type { MeetingsApi } from '../api/meetings';
import type { ServerApi } from '../api/server';
import { Connection, type FinalClose } from '../signaling/connection';
import { ReconnectPolicy } from '../signaling/reconnect';
import type { ClientMessage } from '../wire/ClientMessage';
import type { JoinReply } from '../wire/JoinReply';
import type { MediaState } from '../wire/MediaState';
import type { ServerMessage } from '../wire/ServerMessage';
import type { Environment } from './environment';
import { NewSeat } from './newseat';
import { speaksOurProtocol } from './reload';

/** What a seat needs and whom it tells. */
export interface SeatOptions {
  readonly environment: Environment;
  readonly meetings: MeetingsApi;
  readonly server: Pick<ServerApi, 'info'>;
  readonly join: JoinReply;
  /** The name given when joining; empty when the account's counts. */
  readonly displayName: string;
  /** What is switched on, for the first message of each attempt. */
  readonly media: () => MediaState;
  readonly received: (message: ServerMessage) => void;
  /** The server can't be reached; attempts have begun. */
  readonly lost: () => void;
  /** The seat is gone for good. */
  readonly closed: (why: Exclude<FinalClose, 'joinAgain'>) => void;
  /** The same, for a reason that nobody wished for. */
  readonly failed: (code: string, message: string) => void;
}

/** After so many attempts in vain it is time to say so, and to see whether this page is too old for the server. */
const ATTEMPTS_BEFORE_TELLING = 3;

/** One's seat at the server: taken with a ticket, taken back after each loss, and replaced by a new one when it is gone. */
export class Seat {
  readonly #options: SeatOptions;
  readonly #policy: ReconnectPolicy;
  readonly #hardToReach = signal(false);
  #hello: { readonly type: 'join'; readonly ticket: string } | { readonly type: 'resume'; readonly resumeToken: string };
  #connection: Connection;
  #newSeat: NewSeat | null = null;
  #closed = false;

  constructor(options: SeatOptions) {
    const { environment, join } = options;
    this.#options = options;
    this.#policy = new ReconnectPolicy(() => environment.random());
    this.#hello = { type: 'join', ticket: join.ticket };
    this.#connection = this.#connect(join);
  }

  /** Attempt after attempt to reach the server has failed. They go on. */
  get hardToReach(): ReadonlySignal<boolean> {
    return this.#hardToReach;
  }

  /** Sends a message; false while there is no way to the server. */
  send(message: ClientMessage): boolean {
    return this.#connection.send(message);
  }

  /** The server gave the seat: this token takes it back. */
  welcomed(resumeToken: string): void {
    this.#hello = { type: 'resume', resumeToken };
    this.#newSeat = null;
    this.#hardToReach.value = false;
  }

  /** Something hints that the network is back. */
  hurry(): void {
    this.#connection.hurry();
  }

  /** Ends it, without a report. */
  close(): void {
    this.#closed = true;
    this.#newSeat?.stop();
    this.#connection.close();
  }

  #connect({ signalingUrl }: JoinReply): Connection {
    const { environment, media, received, lost } = this.#options;
    const url = new URL(signalingUrl, environment.origin);
    url.protocol = url.protocol.replace('http', 'ws');
    return new Connection({
      url: url.href,
      open: environment.openSocket,
      policy: this.#policy,
      now: () => environment.monotonic(),
      hello: () => ({ ...this.#hello, media: media() }),
      received: (message) => received(message),
      lost,
      failing: (attempts) => this.#onFailing(attempts),
      foreign: (protocol) => this.#compare(protocol),
      closed: (why) => this.#onClosed(why),
    });
  }

  #onFailing(attempts: number): void {
    if (attempts < ATTEMPTS_BEFORE_TELLING) return;
    this.#hardToReach.value = true;
    if (attempts % ATTEMPTS_BEFORE_TELLING > 0) return;
    // A server that no longer takes this page's protocol refuses the connection without a word.
    this.#options.server.info().then(
      ({ protocol }) => this.#compare(protocol),
      () => undefined,
    );
  }

  /** Reloads the page, once, where it was built for another protocol than the server's. */
  #compare(protocol: number): void {
    const { environment, failed } = this.#options;
    if (this.#closed || speaksOurProtocol(protocol, environment)) return;
    failed('protocol_mismatch', 'This page is older or newer than the server. Reload it.');
  }

  #onClosed(why: FinalClose): void {
    const { closed, failed, lost } = this.#options;
    if (why !== 'joinAgain') return closed(why);
    lost();
    if (this.#newSeat) return failed('seat_gone', 'Your seat in the meeting was lost. Join again.');
    this.#newSeat = this.#joinAgain();
  }

  /** The seat is gone, for instance after a night's sleep: take a new one as the same person. */
  #joinAgain(): NewSeat {
    const { environment, meetings, join, displayName, closed, failed } = this.#options;
    const { roomId } = join.meeting;
    return new NewSeat({
      meetings,
      request: displayName ? { roomId, displayName } : { roomId },
      delay: () => this.#policy.nextDelay(environment.monotonic()),
      taken: (reply) => {
        this.#hello = { type: 'join', ticket: reply.ticket };
        this.#connection = this.#connect(reply);
      },
      refused: ({ code, message }) => (code === 'meeting_ended' ? closed('over') : failed(code, message)),
    });
  }
}
