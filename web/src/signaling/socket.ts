import type { ClientMessage } from '../wire/ClientMessage';
import type { ServerMessage } from '../wire/ServerMessage';
import { foreignProtocol, parseServerMessage, SUBPROTOCOL } from './protocol';

const PING_EVERY_MS = 10_000;
const MISSED_PINGS = 2;
const OPEN_WITHIN_MS = 10_000;
/** How long a probe may stay unanswered. Shorter than a heartbeat: the page has a reason to doubt. */
const PROBE_WITHIN_MS = 5_000;
/** The close code of a connection that ended without one (RFC 6455 §7.1.5). */
const ABNORMAL = 1006;

/** The part of `WebSocket` that is used. */
export interface RawSocket {
  readonly readyState: number;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

/** Opens a WebSocket. */
export type OpenSocket = (url: string, subprotocol: string) => RawSocket;

/** What a socket reports. After `closed` it reports nothing more. */
export interface SocketEvents {
  opened(): void;
  received(message: ServerMessage): void;
  /** The server welcomed with another version of the protocol. */
  foreign(protocol: number): void;
  closed(code: number): void;
}

/** One WebSocket from opening to its end, watched by a heartbeat. */
export class Socket {
  readonly #raw: RawSocket;
  readonly #events: SocketEvents;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unanswered = 0;
  #over = false;

  constructor(url: string, open: OpenSocket, events: SocketEvents) {
    this.#events = events;
    this.#raw = open(url, SUBPROTOCOL);
    this.#raw.onopen = () => this.#onOpen();
    this.#raw.onmessage = (event) => this.#onMessage(event.data);
    this.#raw.onclose = (event) => this.#end(event.code);
    this.#after(OPEN_WITHIN_MS, () => this.#giveUp());
  }

  /** Sends a message; false when it can't be sent now. Whether it arrives is not known either way. */
  send(message: ClientMessage): boolean {
    if (this.#over || this.#raw.readyState !== WebSocketState.open) return false;
    this.#raw.send(JSON.stringify(message));
    return true;
  }

  /** Finds out at once whether the connection still lives, for instance after the computer slept. */
  probe(): void {
    if (!this.send({ type: 'ping' })) return;
    this.#unanswered += 1;
    this.#after(PROBE_WITHIN_MS, () => this.#beat(MISSED_PINGS));
  }

  /** Ends the connection without a report. */
  close(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#raw.close(1000);
  }

  #onOpen(): void {
    if (this.#over) return;
    this.#after(PING_EVERY_MS, () => this.#beat(0));
    this.#events.opened();
  }

  #onMessage(data: unknown): void {
    if (this.#over || typeof data !== 'string') return;
    this.#unanswered = 0;
    const protocol = foreignProtocol(data);
    if (protocol !== null) return this.#events.foreign(protocol);
    const message = parseServerMessage(data);
    if (message) this.#events.received(message);
  }

  #beat(assumedMissed: number): void {
    const missed = this.#unanswered === 0 ? 0 : Math.max(this.#unanswered, assumedMissed);
    if (missed >= MISSED_PINGS) return this.#giveUp();
    this.send({ type: 'ping' });
    this.#unanswered += 1;
    this.#after(PING_EVERY_MS, () => this.#beat(0));
  }

  /** The other side is silent, and so may the closing handshake be: nobody waits for it. */
  #giveUp(): void {
    this.#raw.close();
    this.#end(ABNORMAL);
  }

  #end(code: number): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#events.closed(code);
  }

  #after(ms: number, action: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, ms);
  }
}

/** The values of `WebSocket.readyState`, which outside a browser has no constants. */
const WebSocketState = { open: 1 } as const;
