import { effect, signal, type ReadonlySignal, type Signal } from '@preact/signals';
import { ApiError } from '../api/error';
import type { MeetingsApi } from '../api/meetings';
import type { JoinReply } from '../wire/JoinReply';
import type { MeetingPreview } from '../wire/MeetingPreview';
import type { RoomId } from '../wire/RoomId';
import type { LocalMedia } from './localmedia';
import type { Preferences } from './preferences';

/** What is needed before joining. */
export interface PreJoinOptions {
  /** The meeting's code as somebody typed or clicked it. */
  readonly code: string;
  readonly meetings: MeetingsApi;
  readonly preferences: Preferences;
  readonly local: LocalMedia;
  /** The account's name; empty for guests, and while it is not known yet who is signed in. */
  readonly accountName: ReadonlySignal<string>;
}

/** The page before a meeting: what it is, under which name, with which devices. */
export class PreJoin {
  readonly #options: PreJoinOptions;
  readonly #preview = signal<MeetingPreview | null>(null);
  readonly #error = signal<ApiError | null>(null);
  readonly #joining = signal(false);
  readonly #stopNaming: () => void;
  #handedOver = false;

  /** The microphone and the camera. Whoever joins takes them along into the room. */
  readonly local: LocalMedia;
  /** The name to be seen under. */
  readonly name: Signal<string>;

  constructor(options: PreJoinOptions) {
    this.#options = options;
    this.local = options.local;
    this.name = signal(options.preferences.read().name);
    this.#stopNaming = effect(() => {
      // Learnt a moment after the page has loaded. What somebody has begun to type stays.
      if (this.name.peek() === '') this.name.value = options.accountName.value;
    });
  }

  get preview(): ReadonlySignal<MeetingPreview | null> {
    return this.#preview;
  }

  /** Why the meeting could not be shown or joined. */
  get error(): ReadonlySignal<ApiError | null> {
    return this.#error;
  }

  get joining(): ReadonlySignal<boolean> {
    return this.#joining;
  }

  /**
   * Learns which meeting this is, and takes the devices where the browser will not ask about them any more. Never rejects;
   * see `error`.
   */
  async load(): Promise<void> {
    void this.local.askIfGranted();
    try {
      this.#preview.value = await this.#options.meetings.preview(this.#options.code);
      this.#error.value = null;
    } catch (error) {
      this.#error.value = ApiError.from(error);
    }
  }

  /** Takes a seat. From then on the devices belong to the room. Rejects with an `ApiError`, shown in `error` as well. */
  async join(): Promise<JoinReply> {
    const { meetings, preferences, code } = this.#options;
    const displayName = this.name.value.trim();
    this.#joining.value = true;
    try {
      const roomId = this.#preview.value?.roomId ?? (code as RoomId);
      const reply = await meetings.join(displayName ? { roomId, displayName } : { roomId });
      preferences.remember({ name: displayName });
      this.#handedOver = true;
      this.#error.value = null;
      return reply;
    } catch (error) {
      this.#error.value = ApiError.from(error);
      throw this.#error.value;
    } finally {
      this.#joining.value = false;
    }
  }

  /** Releases the devices, unless the room has them now. */
  dispose(): void {
    this.#stopNaming();
    if (!this.#handedOver) this.local.dispose();
  }
}
