import type { ClientMessage } from '../wire/ClientMessage';
import type { ServerMessage } from '../wire/ServerMessage';
import { meaningOfClose, type CloseMeaning } from './protocol';
import type { ReconnectPolicy } from './reconnect';
import { Socket, type OpenSocket } from './socket';

/** Why the connection will not come back by itself. */
export type FinalClose = Exclude<CloseMeaning, 'comeBack'>;

/** What a connection needs and whom it tells. */
export interface ConnectionOptions {
  readonly url: string;
  readonly open: OpenSocket;
  readonly policy: ReconnectPolicy;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The first message of each attempt: `join` or `resume`. */
  readonly hello: () => ClientMessage;
  readonly received: (message: ServerMessage) => void;
  /** The connection is lost; attempts to take it up again have begun. Told once per loss. */
  readonly lost: () => void;
  /** So many attempts in a row have brought no seat. Attempts go on. */
  readonly failing: (attempts: number) => void;
  /** The server speaks another version of the protocol. */
  readonly foreign: (protocol: number) => void;
  /** The server closed it for good. */
  readonly closed: (why: FinalClose) => void;
}

/** The way to the server, taken up again whenever it is lost, until it is closed for good. */
export class Connection {
  readonly #options: ConnectionOptions;
  #socket: Socket | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #seated = false;
  #attempts = 0;
  #told = false;
  #stopped = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#connect();
  }

  /** Whether messages can be sent now. */
  get seated(): boolean {
    return this.#seated;
  }

  /** Sends a message; false while there is no seat to speak from. */
  send(message: ClientMessage): boolean {
    return this.#seated && (this.#socket?.send(message) ?? false);
  }

  /** Something hints that the network changed: try at once, or see whether the connection still lives. */
  hurry(): void {
    if (this.#stopped) return;
    if (this.#socket) return this.#socket.probe();
    if (!this.#options.policy.mayHurry(this.#options.now())) return;
    this.#connect();
  }

  /** Ends it, without a report. */
  close(): void {
    this.#stopped = true;
    this.#seated = false;
    clearTimeout(this.#retry);
    this.#socket?.close();
    this.#socket = null;
  }

  #connect(): void {
    clearTimeout(this.#retry);
    const { url, open, hello, foreign } = this.#options;
    this.#attempts += 1;
    const socket: Socket = new Socket(url, open, {
      opened: () => socket.send(hello()),
      received: (message) => this.#onMessage(message),
      foreign,
      closed: (code) => this.#onClose(code),
    });
    this.#socket = socket;
  }

  #onMessage(message: ServerMessage): void {
    const { policy, now, received } = this.#options;
    if (message.type === 'welcome') {
      this.#seated = true;
      this.#told = false;
      this.#attempts = 0;
      policy.connected(now());
    }
    if (message.type === 'serverRestart') policy.restartAnnounced(message.retryAfterMs, now());
    received(message);
  }

  #onClose(code: number): void {
    const { policy, now, lost, failing, closed } = this.#options;
    this.#socket = null;
    this.#seated = false;
    const meaning = meaningOfClose(code);
    if (meaning !== 'comeBack') {
      this.#stopped = true;
      return closed(meaning);
    }
    this.#retry = setTimeout(() => this.#connect(), policy.nextDelay(now()));
    if (this.#attempts > 0) failing(this.#attempts);
    if (this.#told) return;
    this.#told = true;
    lost();
  }
}
