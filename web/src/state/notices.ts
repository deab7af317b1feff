import { signal, type ReadonlySignal } from '@preact/signals';

/** Something that happened to somebody. The page has the words. */
export interface Notice {
  readonly id: number;
  readonly kind: 'joined' | 'left' | 'away' | 'returned';
  readonly name: string;
}

const KEPT = 20;

/** What happened last, for those who can't see it. */
export class Notices {
  readonly #list = signal<Notice[]>([]);
  #last = 0;

  get list(): ReadonlySignal<Notice[]> {
    return this.#list;
  }

  add(kind: Notice['kind'], name: string): void {
    this.#last += 1;
    this.#list.value = [...this.#list.peek(), { id: this.#last, kind, name }].slice(-KEPT);
  }
}
