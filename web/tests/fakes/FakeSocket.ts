import type { OpenSocket, RawSocket } from '../../src/signaling/socket';
import type { ClientMessage } from '../../src/wire/ClientMessage';
import type { ServerMessage } from '../../src/wire/ServerMessage';

/** A WebSocket whose other end is the test. */
export class FakeSocket implements RawSocket {
  readyState = 0;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readonly url: string;
  readonly subprotocol: string;
  readonly sent: ClientMessage[] = [];
  /** The code the page closed it with; undefined while it has not. */
  closedWith: number | undefined;

  constructor(url: string, subprotocol: string) {
    this.url = url;
    this.subprotocol = subprotocol;
  }

  send(data: string): void {
    if (this.readyState !== 1) throw new DOMException('not open', 'InvalidStateError');
    this.sent.push(JSON.parse(data) as ClientMessage);
  }

  close(code = 1005): void {
    this.readyState = 2;
    this.closedWith = code;
  }

  /** The server accepts. */
  accept(): void {
    this.readyState = 1;
    this.onopen?.({} as Event);
  }

  /** The server says something. */
  say(message: ServerMessage): void {
    this.hear(JSON.stringify(message));
  }

  /** Something arrives, whatever it is. */
  hear(data: unknown): void {
    this.onmessage?.({ data } as MessageEvent);
  }

  /** The connection ends. */
  end(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code } as CloseEvent);
  }

  /** What was sent of one kind. */
  ofType<Type extends ClientMessage['type']>(type: Type): Extract<ClientMessage, { type: Type }>[] {
    return this.sent.filter((message): message is Extract<ClientMessage, { type: Type }> => message.type === type);
  }
}

/** Keeps every socket that was opened. */
export class FakeServer {
  readonly sockets: FakeSocket[] = [];

  readonly open: OpenSocket = (url, subprotocol) => {
    const socket = new FakeSocket(url, subprotocol);
    this.sockets.push(socket);
    return socket;
  };

  /** The newest socket. */
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('no socket was opened');
    return socket;
  }
}
