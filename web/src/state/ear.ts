import { signal, type ReadonlySignal } from '@preact/signals';
import { SilenceDetector, SpeechDetector, type Meter, type OpenMeter } from '../media/levels';

const EVERY_MS = 100;

/** Listens to a microphone: how loud it is, whether somebody speaks, whether it seems to be dead. */
export class Ear {
  readonly #openMeter: OpenMeter;
  readonly #now: () => number;
  readonly #level = signal(0);
  readonly #speaking = signal(false);
  readonly #dead = signal(false);
  #speech = new SpeechDetector();
  readonly #silence = new SilenceDetector();
  #meter: Meter | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(openMeter: OpenMeter, now: () => number) {
    this.#openMeter = openMeter;
    this.#now = now;
  }

  /** 0 to 1. */
  get level(): ReadonlySignal<number> {
    return this.#level;
  }

  get speaking(): ReadonlySignal<boolean> {
    return this.#speaking;
  }

  /** True when the microphone is on and gives nothing at all. */
  get dead(): ReadonlySignal<boolean> {
    return this.#dead;
  }

  /** Listens to this one from now on, or to none. */
  listenTo(track: MediaStreamTrack | null): void {
    clearInterval(this.#timer);
    this.#meter?.dispose();
    this.#meter = track && this.#openMeter(track);
    this.#rest();
    if (track && this.#meter) this.#timer = setInterval(() => this.#measure(track), EVERY_MS);
  }

  dispose(): void {
    this.listenTo(null);
  }

  #measure(track: MediaStreamTrack): void {
    const level = this.#meter?.level() ?? null;
    if (!track.enabled || level === null) return this.#rest();
    this.#level.value = Math.round(level * 100) / 100;
    this.#speaking.value = this.#speech.hear(level, this.#now());
    this.#dead.value = this.#silence.hear(level, this.#now());
  }

  #rest(): void {
    this.#silence.reset();
    this.#speech = new SpeechDetector();
    this.#level.value = 0;
    this.#speaking.value = false;
    this.#dead.value = false;
  }
}
