import { signal, type ReadonlySignal } from '@preact/signals';
import type { MediaState } from '../wire/MediaState';
import type { Participant } from '../wire/Participant';
import type { ParticipantId } from '../wire/ParticipantId';

/** Who is in the meeting, as the server tells it. */
export class Roster {
  readonly #people = signal<readonly Participant[]>([]);
  /** Called when somebody was given up who did not come back after a restart of the server. */
  readonly #settled: () => void;
  /** Who is missing since a restart of the server and may still come back. */
  #missing = new Set<ParticipantId>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(settled: () => void) {
    this.#settled = settled;
  }

  /** In the order of coming. */
  get people(): ReadonlySignal<readonly Participant[]> {
    return this.#people;
  }

  /** Takes the complete list. For `settlesInMs` those whom it lacks are kept, as away. */
  replace(people: readonly Participant[], settlesInMs: number): void {
    clearTimeout(this.#timer);
    const known = new Set(people.map(({ id }) => id));
    const missing = settlesInMs > 0 ? this.#people.peek().filter(({ id }) => !known.has(id)) : [];
    this.#missing = new Set(missing.map(({ id }) => id));
    this.#people.value = [...missing.map((person) => ({ ...person, connected: false })), ...people];
    if (missing.length > 0) this.#timer = setTimeout(() => this.#settle(), settlesInMs);
  }

  /** Somebody came, or came back. True when the person was known before. */
  put(person: Participant): boolean {
    this.#missing.delete(person.id);
    const before = this.#people.peek();
    const known = before.some(({ id }) => id === person.id);
    this.#people.value = known ? before.map((one) => (one.id === person.id ? person : one)) : [...before, person];
    return known;
  }

  /** Somebody lost the server; the seat is kept. */
  away(id: ParticipantId): void {
    this.#change(id, { connected: false });
  }

  /** Somebody switched something. */
  media(id: ParticipantId, media: MediaState): void {
    this.#change(id, { media });
  }

  /** Somebody is gone. */
  remove(id: ParticipantId): void {
    this.#missing.delete(id);
    this.#people.value = this.#people.peek().filter((one) => one.id !== id);
  }

  /** Who this is, if in the meeting. */
  find(id: ParticipantId): Participant | undefined {
    return this.#people.peek().find((one) => one.id === id);
  }

  /** Forgets everybody. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#missing.clear();
    this.#people.value = [];
  }

  #change(id: ParticipantId, change: Partial<Participant>): void {
    this.#people.value = this.#people.peek().map((one) => (one.id === id ? { ...one, ...change } : one));
  }

  #settle(): void {
    if (this.#missing.size === 0) return;
    this.#people.value = this.#people.peek().filter(({ id }) => !this.#missing.has(id));
    this.#missing.clear();
    this.#settled();
  }
}
