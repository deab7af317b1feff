import { computed, signal, type ReadonlySignal, type Signal } from '@preact/signals';
import type { Opened } from '../media/devices';
import type { DeviceProblem } from '../media/types';

/** What a capture needs. */
export interface CaptureOptions {
  /** Opens the device of this id; when it is gone, any. */
  readonly open: (id: string | null) => Promise<Opened>;
  /** Whether the device stays open, though silent, while it is switched off. */
  readonly keptWhileOff: boolean;
  /** The device in use was pulled out or taken away. */
  readonly ended: () => void;
}

/** One microphone or camera: whether it is wanted, the track it gives, and why it gives none. */
export class Capture {
  readonly #options: CaptureOptions;
  readonly #wish: Signal<boolean>;
  readonly #opening = signal(0);
  readonly #track = signal<MediaStreamTrack | null>(null);
  readonly #problem = signal<DeviceProblem | null>(null);
  readonly #lost = signal(false);
  readonly #id: Signal<string | null>;
  #disposed = false;

  /** Open and switched on. */
  readonly on = computed(() => this.#wish.value && this.#track.value !== null);
  /** On, or about to be. One that could not be opened, or was never asked for, counts as off. */
  readonly wanted = computed(() => this.#wish.value && (this.#track.value !== null || this.#opening.value > 0));

  constructor(options: CaptureOptions, wish: boolean, id: string | null) {
    this.#options = options;
    this.#wish = signal(wish);
    this.#id = signal(id);
  }

  get track(): ReadonlySignal<MediaStreamTrack | null> {
    return this.#track;
  }

  get problem(): ReadonlySignal<DeviceProblem | null> {
    return this.#problem;
  }

  /** It was on, its device went away, and no other could take its place. */
  get lost(): ReadonlySignal<boolean> {
    return this.#lost;
  }

  /** The device in use, or the one to be used. */
  get id(): ReadonlySignal<string | null> {
    return this.#id;
  }

  /** What was chosen last, whether or not a device is there. */
  get wish(): boolean {
    return this.#wish.peek();
  }

  /** Switches at once what is open; opening is for the caller to ask for. */
  want(on: boolean): void {
    this.#wish.value = on;
    const track = this.#track.peek();
    if (track && this.#options.keptWhileOff) track.enabled = on;
    if (on) return;
    this.#lost.value = false;
    if (!this.#options.keptWhileOff) this.#release();
    if (!track) this.#problem.value = null;
  }

  /** Something that opens it is under way, until the returned function is called. */
  expect(): () => void {
    this.#opening.value += 1;
    return () => {
      this.#opening.value -= 1;
    };
  }

  /** Uses this device from the next opening on. */
  prefer(id: string): void {
    this.#id.value = id;
  }

  /** Opens another device, or this one again. True when it did. */
  async open(id: string | null): Promise<boolean> {
    const before = this.#track.peek() && this.#id.peek();
    let opened = await this.#options.open(id);
    if (opened.problem === 'inUse' && this.#track.peek()) {
      // Many phones run one camera at a time: the old one must go before the new one can come.
      this.#release();
      opened = await this.#options.open(id);
      if (!opened.track) {
        this.take(await this.#options.open(before));
        this.#problem.value = opened.problem;
        return false;
      }
    }
    this.take(opened);
    return opened.track !== null;
  }

  /** Takes in what opening gave. What is in use stays in use when another could not be opened. */
  take({ track, problem }: Opened): void {
    this.#problem.value = problem;
    if (!track) return;
    // The user may have changed their mind while it opened.
    if (this.#disposed || (!this.#wish.peek() && !this.#options.keptWhileOff)) return track.stop();
    this.#release();
    track.onended = () => this.#onEnded();
    track.enabled = this.#wish.peek();
    this.#track.value = track;
    this.#lost.value = false;
    this.#id.value = track.getSettings().deviceId ?? this.#id.peek();
  }

  /** Opening in place of what went away did not succeed. */
  missed(): void {
    this.#lost.value = this.#wish.peek() && this.#track.peek() === null;
  }

  /** Releases the device for good. */
  dispose(): void {
    this.#disposed = true;
    this.#problem.value = null;
    this.#release();
  }

  #onEnded(): void {
    this.#release();
    this.#options.ended();
  }

  #release(): void {
    const track = this.#track.peek();
    if (!track) return;
    track.onended = null;
    track.stop();
    this.#track.value = null;
  }
}
