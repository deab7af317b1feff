/** Measures a microphone. Nothing that is measured is ever played. */
export interface Meter {
  /** How loud it is at the moment, 0 to 1; null while the browser does not measure, as before a first gesture of the user. */
  level(): number | null;
  dispose(): void;
}

/** Makes a meter for a microphone. Null where the browser has no audio processing. */
export type OpenMeter = (track: MediaStreamTrack) => Meter | null;

/** Speech is louder than this; breath and fans mostly are not. */
const SPEECH_LEVEL = 0.02;
/** For so long after the last loud moment somebody still counts as speaking, so that pauses between words don't flicker. */
const SPEECH_HOLD_MS = 700;
/** A live microphone always hears something, a muted or dead one gives zeros. */
const SILENCE_LEVEL = 0.0002;
const SILENT_AFTER_MS = 6_000;

/** Measures with the browser's audio processing. */
export function browserMeter(track: MediaStreamTrack): Meter | null {
  if (typeof AudioContext === 'undefined') return null;
  const context = new AudioContext();
  const source = context.createMediaStreamSource(new MediaStream([track]));
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return {
    level() {
      if (context.state !== 'running') {
        context.resume().catch(() => undefined);
        return null;
      }
      analyser.getFloatTimeDomainData(samples);
      return Math.min(1, Math.hypot(...samples) / Math.sqrt(samples.length));
    },
    dispose() {
      source.disconnect();
      context.close().catch(() => undefined);
    },
  };
}

/** Tells speech from its pauses. Times are milliseconds given by the caller. */
export class SpeechDetector {
  #lastLoud = -Infinity;

  /** Takes a level; whether somebody speaks now. */
  hear(level: number, now: number): boolean {
    if (level >= SPEECH_LEVEL) this.#lastLoud = now;
    return now - this.#lastLoud < SPEECH_HOLD_MS;
  }
}

/** Tells a microphone that gives nothing from one in a quiet room. */
export class SilenceDetector {
  #quietSince: number | null = null;

  /** Takes the level of a microphone that is on; whether it seems to be dead. */
  hear(level: number, now: number): boolean {
    if (level > SILENCE_LEVEL) this.#quietSince = null;
    else this.#quietSince ??= now;
    return this.#quietSince !== null && now - this.#quietSince >= SILENT_AFTER_MS;
  }

  /** The microphone was switched: what was heard before counts no more. */
  reset(): void {
    this.#quietSince = null;
  }
}
