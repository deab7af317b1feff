import { vi } from 'vitest';
import { Peer } from '../../src/media/peer';
import type { LocalTracks, Negotiation } from '../../src/media/rtc';
import type { Outcome } from '../../src/media/watch';
import type { ParticipantId } from '../../src/wire/ParticipantId';
import { FakePath, type FakePeerConnection } from './FakePeerConnection';

/** The polite one, as the smaller id is. */
export const POLITE = 'aaaa' as ParticipantId;
export const IMPOLITE = 'bbbb' as ParticipantId;

/** What happens to one message on its way: how many milliseconds it takes, or that it is lost. */
export type Fate = number | 'lost';

export interface Sent {
  readonly from: ParticipantId;
  readonly negotiation: Negotiation;
}

/** Two peers with a server between them that can be slow, mix up the order and lose things, in virtual time. */
export class PeerPair {
  readonly path = new FakePath();
  readonly sent: Sent[] = [];
  /** What the two told of how it turned out. */
  readonly outcomes: string[] = [];
  /** Decides about each message. */
  fate: (message: Sent) => Fate;
  polite: Peer;
  impolite: Peer;
  readonly #tracks: LocalTracks;

  constructor(fate: (message: Sent) => Fate = () => 10, tracks: LocalTracks = { audio: null, video: null }) {
    this.fate = fate;
    this.#tracks = tracks;
    this.polite = this.#make(POLITE, IMPOLITE);
    this.impolite = this.#make(IMPOLITE, POLITE);
  }

  /** One side gives up its connection and makes another one, of which the other side learns nothing but what is negotiated. */
  replace(side: ParticipantId): void {
    if (side === POLITE) {
      this.polite.dispose();
      this.polite = this.#make(POLITE, IMPOLITE);
    } else {
      this.impolite.dispose();
      this.impolite = this.#make(IMPOLITE, POLITE);
    }
  }

  /** The connections of the two, as they are now. */
  get politeEnd(): FakePeerConnection {
    return this.#end(POLITE);
  }
  get impoliteEnd(): FakePeerConnection {
    return this.#end(IMPOLITE);
  }

  /** How many messages of this kind were sent, by one or by both. */
  count(type: Negotiation['type'], from?: ParticipantId): number {
    return this.sent.filter((one) => one.negotiation.type === type && (from === undefined || one.from === from)).length;
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms);
  }

  dispose(): void {
    this.polite.dispose();
    this.impolite.dispose();
  }

  #make(self: ParticipantId, other: ParticipantId): Peer {
    const send = (negotiation: Negotiation): void => this.#carry({ from: self, negotiation });
    const outcome = (outcome: Outcome): number => this.outcomes.push(`${self}: ${outcome}`);
    return new Peer({ self, other, tracks: this.#tracks, rtc: this.path.rtc(self), iceServers: [], send, outcome });
  }

  #end(owner: ParticipantId): FakePeerConnection {
    const end = this.path.ends.find((one) => one.owner === owner);
    if (!end) throw new Error('this side has no connection');
    return end;
  }

  #carry(message: Sent): void {
    this.sent.push(message);
    const fate = this.fate(message);
    if (fate === 'lost') return;
    const receiver = (): Peer => (message.from === POLITE ? this.impolite : this.polite);
    setTimeout(() => receiver().receive(message.negotiation), fate);
  }
}
