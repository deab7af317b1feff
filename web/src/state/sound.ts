import { signal, type ReadonlySignal } from '@preact/signals';

/** The part of a media element that is used. */
export type SoundElement = Pick<HTMLMediaElement, 'play' | 'addEventListener' | 'removeEventListener'> & {
  setSinkId?: (id: string) => Promise<void>;
};

/** The elements that play the others' sound: starts them, and knows when the browser wants a click first. */
export class Sound {
  readonly #elements = new Set<SoundElement>();
  readonly #blocked = signal(false);
  #speaker: string | null = null;

  /** Whether the browser refused to play without a gesture of the user. */
  get blocked(): ReadonlySignal<boolean> {
    return this.#blocked;
  }

  /** Takes charge of an element; gives the way to stop that. */
  register(element: SoundElement): () => void {
    const play = (): void => void this.#play(element);
    this.#elements.add(element);
    element.addEventListener('loadedmetadata', play);
    this.#direct(element);
    return () => {
      element.removeEventListener('loadedmetadata', play);
      this.#elements.delete(element);
    };
  }

  /** Plays all. Call it from a gesture of the user. */
  async start(): Promise<void> {
    this.#blocked.value = false;
    await Promise.all([...this.#elements].map((element) => this.#play(element)));
  }

  /** Plays through this speaker from now on; null for the default one. */
  useSpeaker(id: string | null): void {
    this.#speaker = id;
    this.#elements.forEach((element) => this.#direct(element));
  }

  async #play(element: SoundElement): Promise<void> {
    try {
      await element.play();
    } catch (error) {
      // Any other failure comes from an element whose source was taken away meanwhile.
      if (error instanceof Error && error.name === 'NotAllowedError') this.#blocked.value = true;
    }
  }

  #direct(element: SoundElement): void {
    if (this.#speaker === null) return;
    // A speaker that is gone leaves the sound where it is.
    element.setSinkId?.(this.#speaker).catch(() => undefined);
  }
}
