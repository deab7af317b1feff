import { signal, type ReadonlySignal } from '@preact/signals';
import type { ChatMessage } from '../wire/ChatMessage';
import type { ErrorDetail } from '../wire/ErrorDetail';
import type { ParticipantId } from '../wire/ParticipantId';

/** A line of chat as it is shown. */
export type ChatLine = ChatMessage & {
  readonly mine: boolean;
  /** Not yet confirmed by the server. */
  readonly pending: boolean;
  /** Why the server did not take it. */
  readonly failed?: string;
};

/** Passes a line to the server; whether it arrives is not known. */
export type SendLine = (line: Pick<ChatMessage, 'id' | 'to' | 'text'>) => void;

/** The server takes so many lines at once, then one after each pause. */
const AT_ONCE = 20;
const PAUSE_MS = 600;
/** The server's word for a line that came too early. */
const TOO_FAST = 'chat_too_fast';

/** The chat. A line that was written stays pending, and is sent again after each loss, until the server confirms it. */
export class Chat {
  readonly #send: SendLine;
  readonly #newId: () => string;
  readonly #lines = signal<ChatLine[]>([]);
  readonly #unread = signal(0);
  /** Lines written here, by id: a line outlives the seat it was written from. */
  readonly #own = new Set<string>();
  /** All seats that were one's own. Others may call their lines as one's own are called. */
  readonly #seats = new Set<ParticipantId>();
  /** Lines to be sent again, by id, in the order of writing. */
  #waiting: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #welcomed = false;

  constructor(newId: () => string, send: SendLine) {
    this.#newId = newId;
    this.#send = send;
  }

  get lines(): ReadonlySignal<ChatLine[]> {
    return this.#lines;
  }

  get unread(): ReadonlySignal<number> {
    return this.#unread;
  }

  /** Writes a line, to everybody or to one. */
  say(text: string, to: ParticipantId | null, from: { readonly id: ParticipantId; readonly name: string }, sentAt: string): void {
    const line: ChatMessage = { id: this.#newId(), from: from.id, fromName: from.name, to, text, sentAt };
    this.#own.add(line.id);
    this.#seats.add(from.id);
    this.#lines.value = [...this.#lines.peek(), { ...line, mine: true, pending: true }];
    // What is written behind lines that wait stays behind them.
    if (this.#waiting.length > 0) this.#waiting.push(line.id);
    else this.#send(line);
  }

  /** The server told a line. One that is known already, by who wrote it and its id, is told again after a loss. */
  receive(message: ChatMessage): void {
    if (this.#merge(message)) this.#unread.value += 1;
  }

  /** A seat was taken, new or again: takes in what was missed and sends again what was not confirmed. */
  welcome(seat: ParticipantId, history: readonly ChatMessage[]): void {
    this.#seats.add(seat);
    const fresh = history.filter((message) => this.#merge(message)).length;
    // What was written before one came is no news.
    if (this.#welcomed) this.#unread.value += fresh;
    this.#welcomed = true;
    const lines = this.#lines.peek();
    const settled = lines.filter(({ pending }) => !pending);
    const pending = lines.filter((line) => line.pending);
    settled.sort((one, other) => Date.parse(one.sentAt) - Date.parse(other.sentAt));
    this.#lines.value = [...settled, ...pending];
    pending.slice(0, AT_ONCE).forEach(this.#send);
    this.#waiting = pending.slice(AT_ONCE).map(({ id }) => id);
    this.#pace();
  }

  /** The server refused a line. One that only came too early is sent again. */
  refused(id: string, { code, message }: Pick<ErrorDetail, 'code' | 'message'>): void {
    if (code === TOO_FAST) {
      if (!this.#waiting.includes(id)) this.#waiting.push(id);
      return this.#pace();
    }
    this.#lines.value = this.#lines
      .peek()
      .map((line) => (line.mine && line.id === id ? { ...line, pending: false, failed: message } : line));
  }

  /** Sends nothing more. */
  dispose(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  markRead(): void {
    this.#unread.value = 0;
  }

  /** Sends the lines that wait, one after each pause. Those confirmed meanwhile are left out. */
  #pace(): void {
    clearTimeout(this.#timer);
    if (this.#waiting.length === 0) return;
    this.#timer = setTimeout(() => {
      const id = this.#waiting.shift();
      const line = this.#lines.peek().find((one) => one.mine && one.pending && one.id === id);
      if (line) this.#send(line);
      this.#pace();
    }, PAUSE_MS);
  }

  /** Takes a line in; true when it is news to the reader. */
  #merge(message: ChatMessage): boolean {
    const mine = this.#seats.has(message.from) && this.#own.has(message.id);
    const lines = this.#lines.peek();
    const at = lines.findIndex((line) => line.id === message.id && (mine ? line.mine : !line.mine && line.from === message.from));
    const line: ChatLine = { ...message, mine, pending: false };
    this.#lines.value = at < 0 ? [...lines, line] : lines.with(at, line);
    return at < 0 && !mine;
  }
}
