import { signal, type ReadonlySignal } from '@preact/signals';
import type { PeerLink } from './types';

/** A short gap heals by itself more often than not. */
const GAP_MS = 2_500;
/** A connection that has not come about after so long needs help. */
const FIRST_CONNECT_MS = 10_000;
/** By how much the polite side waits longer, so that the two do not repair at the same time. */
const PATIENCE_MS = 4_000;
/** By how much it waits longer after one of the two has come back. */
const HURRIED_PATIENCE_MS = 2_000;
const RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 30_000;
/** After so many repairs in vain the tile says so. Repairs go on. */
const REPAIRS_BEFORE_FAILED = 4;

/** How a connection turned out. */
export type Outcome = 'connected' | 'failed';

/** What a watch needs. */
export interface WatchOptions {
  /** Waits longer before each repair, because the other side is expected to begin. */
  readonly patient: boolean;
  readonly repair: () => void;
  /** The connection stands for the first time, or has been called failed before it ever stood. Each is told once. */
  readonly outcome: (outcome: Outcome) => void;
}

/** Watches whether one connection stands, says so, and asks for repairs until it does. */
export class Watch {
  readonly #options: WatchOptions;
  readonly #link = signal<PeerLink>('connecting');
  #repairTimer: ReturnType<typeof setTimeout> | undefined;
  #showTimer: ReturnType<typeof setTimeout> | undefined;
  #repairs = 0;
  #stands = false;
  #stood = false;
  #gaveUp = false;
  #reachable = true;
  /** A repair fell due while there was no way to the other side. */
  #due = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#repairIn(FIRST_CONNECT_MS + this.#patience(PATIENCE_MS));
  }

  get link(): ReadonlySignal<PeerLink> {
    return this.#link;
  }

  /** The connection's state changed. */
  changed(state: RTCPeerConnectionState): void {
    switch (state) {
      case 'connected':
        return this.#standsAgain();
      case 'disconnected':
        return this.#broken(GAP_MS);
      case 'failed':
        return this.#broken(0);
      case 'new':
      case 'connecting':
      case 'closed':
        return;
    }
  }

  /** Whether a repair could reach the other side. */
  reachable(yes: boolean): void {
    this.#reachable = yes;
    if (yes && this.#due) this.#repairIn(RETRY_MS + this.#patience(PATIENCE_MS));
  }

  /** Repair soon: what made it hard is over. */
  hurry(): void {
    if (this.#stands) return;
    this.#repairs = 0;
    this.#repairIn(this.#patience(HURRIED_PATIENCE_MS));
  }

  /** What made repairs hard is over, and one was just made: the next follows soon where it brings nothing. */
  begun(): void {
    if (this.#stands) return;
    this.#repairs = 0;
    this.#repairIn(RETRY_MS + this.#patience(PATIENCE_MS));
  }

  dispose(): void {
    clearTimeout(this.#repairTimer);
    clearTimeout(this.#showTimer);
  }

  #standsAgain(): void {
    this.dispose();
    if (!this.#stood) this.#options.outcome('connected');
    this.#stands = true;
    this.#stood = true;
    this.#due = false;
    this.#repairs = 0;
    this.#link.value = 'connected';
  }

  #broken(grace: number): void {
    const stoodUntilNow = this.#stands;
    this.#stands = false;
    clearTimeout(this.#showTimer);
    this.#showTimer = setTimeout(() => this.#show(), grace);
    // While repairs are under way their own rhythm counts: each attempt passes through these states again.
    if (stoodUntilNow || this.#repairs === 0) this.#repairIn(grace + this.#patience(PATIENCE_MS));
  }

  #repairIn(ms: number): void {
    clearTimeout(this.#repairTimer);
    this.#due = false;
    this.#repairTimer = setTimeout(() => this.#repair(), ms);
  }

  #repair(): void {
    this.#show();
    if (!this.#reachable) {
      this.#due = true;
      return;
    }
    this.#repairs += 1;
    this.#options.repair();
    const pause = Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** (this.#repairs - 1));
    this.#repairIn(pause + this.#patience(PATIENCE_MS));
  }

  #show(): void {
    if (this.#repairs < REPAIRS_BEFORE_FAILED) {
      this.#link.value = this.#stood ? 'reconnecting' : 'connecting';
      return;
    }
    this.#link.value = 'failed';
    if (this.#stood || this.#gaveUp) return;
    this.#gaveUp = true;
    this.#options.outcome('failed');
  }

  #patience(ms: number): number {
    return this.#options.patient ? ms : 0;
  }
}
