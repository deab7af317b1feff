import type { TextStore } from './environment';

const KEY = 'hearth.preferences';

/** What a person chose last time. Never tokens. */
export interface Choices {
  readonly name: string;
  readonly audio: boolean;
  readonly video: boolean;
  readonly microphoneId: string | null;
  readonly cameraId: string | null;
  readonly speakerId: string | null;
}

const DEFAULTS: Choices = { name: '', audio: true, video: true, microphoneId: null, cameraId: null, speakerId: null };

/** Remembers choices from one meeting to the next. */
export class Preferences {
  readonly #store: TextStore;

  constructor(store: TextStore) {
    this.#store = store;
  }

  /** All choices; defaults for those never made. */
  read(): Choices {
    try {
      const stored: unknown = JSON.parse(this.#store.getItem(KEY) ?? '{}');
      return typeof stored === 'object' && stored !== null ? merge(stored) : DEFAULTS;
    } catch {
      return DEFAULTS;
    }
  }

  /** Remembers some choices and leaves the others. */
  remember(choices: Partial<Choices>): void {
    this.#store.setItem(KEY, JSON.stringify({ ...this.read(), ...choices }));
  }
}

/** Takes from what is stored only what is of the right kind: an older or foreign page may have written it. */
function merge(stored: object): Choices {
  const record = stored as Record<string, unknown>;
  const text = (name: keyof Choices): string | null => (typeof record[name] === 'string' ? record[name] : null);
  const flag = (name: 'audio' | 'video'): boolean => (typeof record[name] === 'boolean' ? record[name] : DEFAULTS[name]);
  return {
    name: text('name') ?? DEFAULTS.name,
    audio: flag('audio'),
    video: flag('video'),
    microphoneId: text('microphoneId'),
    cameraId: text('cameraId'),
    speakerId: text('speakerId'),
  };
}
