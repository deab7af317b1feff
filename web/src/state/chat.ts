import { signal, type ReadonlySignal } from '@preact/signals';
import type { ChatMessage } from '../wire/ChatMessage';
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

/** The chat. A line that was written stays pending, and is sent again after each loss, until the server confirms it. */
export class Chat {
  readonly #send: SendLine;
  readonly #newId: () => string;
  readonly #lines = signal<ChatLine[]>([]);
  readonly #unread = signal(0);
  /** Lines written here, by id: a line outlives the seat it was written from. */
  readonly #own = new Set<string>();
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
    this.#lines.value = [...this.#lines.peek(), { ...line, mine: true, pending: true }];
    this.#send(line);
  }

  /** The server told a line. One that is known already, by who wrote it and its id, is told again after a loss. */
  receive(message: ChatMessage): void {
    if (this.#merge(message)) this.#unread.value += 1;
  }

  /** A seat was taken, new or again: takes in what was missed and sends again what was not confirmed. */
  welcome(history: readonly ChatMessage[]): void {
    const fresh = history.filter((message) => this.#merge(message)).length;
    // What was written before one came is no news.
    if (this.#welcomed) this.#unread.value += fresh;
    this.#welcomed = true;
    const lines = this.#lines.peek();
    const settled = lines.filter(({ pending }) => !pending);
    const pending = lines.filter((line) => line.pending);
    // RFC 3339 in UTC sorts as text.
    settled.sort((one, other) => (one.sentAt < other.sentAt ? -1 : one.sentAt > other.sentAt ? 1 : 0));
    this.#lines.value = [...settled, ...pending];
    pending.forEach(this.#send);
  }

  /** The server refused a line. */
  refused(id: string, why: string): void {
    this.#lines.value = this.#lines
      .peek()
      .map((line) => (line.mine && line.id === id ? { ...line, pending: false, failed: why } : line));
  }

  markRead(): void {
    this.#unread.value = 0;
  }

  /** Takes a line in; true when it is news to the reader. */
  #merge(message: ChatMessage): boolean {
    const mine = this.#own.has(message.id);
    const lines = this.#lines.peek();
    const at = lines.findIndex((line) => line.id === message.id && (mine || line.from === message.from));
    const line: ChatLine = { ...message, mine, pending: false };
    this.#lines.value = at < 0 ? [...lines, line] : lines.with(at, line);
    return at < 0 && !mine;
  }
}
