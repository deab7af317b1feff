import { signal, type ReadonlySignal, type Signal } from '@preact/signals';
import { SpeechDetector } from '../media/levels';
import type { ParticipantId } from '../wire/ParticipantId';

interface Speaker {
  readonly detector: SpeechDetector;
  readonly speaking: Signal<boolean>;
}

/** Who of the others speaks. */
export class Speakers {
  readonly #speakers = new Map<ParticipantId, Speaker>();

  /** Whether this person speaks. */
  of(id: ParticipantId): ReadonlySignal<boolean> {
    return this.#get(id).speaking;
  }

  /** Takes how loud a person is. */
  hear(id: ParticipantId, level: number, now: number): void {
    const { detector, speaking } = this.#get(id);
    speaking.value = detector.hear(level, now);
  }

  /** Forgets everybody but these. */
  keep(ids: ReadonlySet<ParticipantId>): void {
    for (const id of this.#speakers.keys()) if (!ids.has(id)) this.#speakers.delete(id);
  }

  #get(id: ParticipantId): Speaker {
    let speaker = this.#speakers.get(id);
    if (!speaker) this.#speakers.set(id, (speaker = { detector: new SpeechDetector(), speaking: signal(false) }));
    return speaker;
  }
}
