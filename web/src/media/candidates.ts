import type { Candidate } from '../wire/Candidate';
import { ufragsOf } from './rtc';

/** More than one generation of candidates of a host with many addresses; older ones are dropped first. */
const MOST_WAITING = 200;

/**
 * Candidates that arrived before the session description they belong to. They wait here, since adding them early fails and
 * adding them to another ICE generation is useless.
 */
export class CandidateQueue {
  #waiting: Candidate[] = [];

  /** Takes a candidate in. */
  push(candidate: Candidate): void {
    this.#waiting.push(candidate);
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
  }

  /** Hands out those that fit a remote description. */
  take(remote: RTCSessionDescription | null): Candidate[] {
    if (!remote) return [];
    const ufrags = ufragsOf(remote.sdp);
    const fits = ({ usernameFragment }: Candidate): boolean => !usernameFragment || ufrags.has(usernameFragment);
    const fitting = this.#waiting.filter(fits);
    this.#waiting = this.#waiting.filter((candidate) => !fits(candidate));
    return fitting;
  }
}
