const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
/** A seat is kept for 30 s: for so long after a loss no pause may waste much of that. */
const HURRY_MS = 60_000;
const LONGEST_HURRIED_DELAY_MS = 5_000;
/** Keeps an unlucky draw from becoming a tight loop. */
const SHORTEST_DELAY_MS = 100;
const STABLE_AFTER_MS = 60_000;
const RESTART_SPREAD_MS = 2_000;

/**
 * How long to wait before the next attempt to connect: exponential with full jitter, so that many browsers that lost the
 * same server do not come back in step. Times are monotonic milliseconds given by the caller.
 */
export class ReconnectPolicy {
  readonly #random: () => number;
  #attempt = 0;
  #lostAt: number | null = null;
  #connectedAt: number | null = null;
  #holdUntil = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** A seat was taken. */
  connected(now: number): void {
    this.#connectedAt = now;
    this.#lostAt = null;
    this.#holdUntil = 0;
  }

  /** The server announced that it stops and when it wants to see us again. Spread out, since everybody was told the same. */
  restartAnnounced(retryAfterMs: number, now: number): void {
    this.#holdUntil = now + retryAfterMs + this.#random() * RESTART_SPREAD_MS;
    // What went wrong before has nothing to do with it.
    this.#attempt = 0;
  }

  /** The connection was lost or could not be made: milliseconds to wait. */
  nextDelay(now: number): number {
    if (this.#connectedAt !== null && now - this.#connectedAt >= STABLE_AFTER_MS) this.#attempt = 0;
    this.#connectedAt = null;
    this.#lostAt ??= now;
    const longest = now - this.#lostAt < HURRY_MS ? LONGEST_HURRIED_DELAY_MS : LONGEST_DELAY_MS;
    const ceiling = Math.min(longest, FIRST_DELAY_MS * 2 ** this.#attempt);
    this.#attempt += 1;
    return Math.max(SHORTEST_DELAY_MS, this.#random() * ceiling, this.#holdUntil - now);
  }

  /** Whether an attempt out of turn (the network is back, the page is looked at again) is welcome now. */
  mayHurry(now: number): boolean {
    return now >= this.#holdUntil;
  }
}
