import { ApiError } from '../api/error';
import type { MeetingsApi } from '../api/meetings';
import type { JoinReply } from '../wire/JoinReply';
import type { JoinRequest } from '../wire/JoinRequest';

/** What taking a new seat needs and whom it tells. */
export interface NewSeatOptions {
  readonly meetings: MeetingsApi;
  readonly request: JoinRequest;
  /** Milliseconds until the next attempt. */
  readonly delay: () => number;
  readonly taken: (reply: JoinReply) => void;
  /** The server will not give one. */
  readonly refused: (error: ApiError) => void;
}

/** Takes a new seat as the same person where the old one is gone, and tries on where that fails for a passing reason. */
export class NewSeat {
  readonly #options: NewSeatOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(options: NewSeatOptions) {
    this.#options = options;
    void this.#try();
  }

  /** Gives up; nothing is told any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #try(): Promise<void> {
    const { meetings, request, delay, taken, refused } = this.#options;
    try {
      const reply = await meetings.join(request);
      if (!this.#stopped) taken(reply);
    } catch (thrown) {
      if (this.#stopped) return;
      const error = ApiError.from(thrown);
      if (!error.passes) return refused(error);
      const wait = Math.max(delay(), (error.retryAfterSeconds ?? 0) * 1_000);
      this.#timer = setTimeout(() => void this.#try(), wait);
    }
  }
}
