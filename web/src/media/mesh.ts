import { signal, type ReadonlySignal } from '@preact/signals';
import type { IceServer } from '../wire/IceServer';
import type { ParticipantId } from '../wire/ParticipantId';
import { Peer } from './peer';
import type { LocalTracks, Negotiation, Rtc, Whose } from './rtc';
import type { Outcome } from './watch';

/** Somebody in the meeting, as far as a connection to them is concerned. */
export interface Member {
  readonly id: ParticipantId;
  /** Whether the server reaches them now. */
  readonly connected: boolean;
}

/** What a mesh is made of. */
export interface MeshOptions {
  readonly rtc: Rtc;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Passes something on to one peer, if there is a way at the moment. */
  readonly send: (to: ParticipantId, negotiation: Negotiation) => void;
  /** The connection to one peer stands for the first time, or was called failed before. Each is told once. */
  readonly outcome: (to: ParticipantId, outcome: Outcome) => void;
}

/**
 * Relay credentials are good for an hour unless the server is told otherwise, and it sends new ones half-way. Whoever keeps
 * losing the server gets them with each welcome instead, and moves over once those in use may be so old.
 */
const RELAY_STALE_MS = 20 * 60_000;

/** The connections to everybody else: one for each member, from joining to leaving. */
export class Mesh {
  readonly #options: MeshOptions;
  readonly #peers = signal<ReadonlyMap<ParticipantId, Peer>>(new Map());
  #iceServers: readonly IceServer[] = [];
  /** Since when all connections use credentials that were new then, or newer ones. */
  #renewedAt = -Infinity;
  #tracks: LocalTracks = { audio: null, video: null };
  #online = false;
  #members: readonly Member[] = [];

  constructor(options: MeshOptions) {
    this.#options = options;
  }

  /** The connections by person. */
  get peers(): ReadonlySignal<ReadonlyMap<ParticipantId, Peer>> {
    return this.#peers;
  }

  /** Makes connections to who is new and ends those to who is gone. */
  follow(self: ParticipantId, members: readonly Member[]): void {
    this.#members = members.filter(({ id }) => id !== self);
    const before = this.#peers.peek();
    const after = new Map(this.#members.map(({ id }) => [id, before.get(id) ?? this.#connect(self, id)]));
    for (const [id, peer] of before) if (!after.has(id)) peer.dispose();
    const changed = after.size !== before.size || [...after.keys()].some((id) => !before.has(id));
    if (changed) {
      this.#peers.value = after;
      for (const peer of after.values()) peer.shareWith(after.size);
    }
    this.#tellReachable();
  }

  /** Whether the server can be reached. Losing it ends no connection. */
  online(yes: boolean): void {
    this.#online = yes;
    this.#tellReachable();
  }

  /** Uses these for what is negotiated from now on. Connections that hang on old relay credentials move over. */
  useIceServers(iceServers: readonly IceServer[]): void {
    if (this.#options.now() - this.#renewedAt >= RELAY_STALE_MS) return this.renewIceServers(iceServers);
    this.#iceServers = iceServers;
    for (const peer of this.#peers.peek().values()) peer.useIceServers(iceServers);
  }

  /** The same, however new the credentials in use are: of this side's relay, or where those of `either` side are gone. */
  renewIceServers(iceServers: readonly IceServer[], whose: Whose = 'own'): void {
    this.#iceServers = iceServers;
    this.#renewedAt = this.#options.now();
    for (const peer of this.#peers.peek().values()) {
      peer.useIceServers(iceServers);
      peer.renewRelay(whose);
    }
  }

  /** Sends other tracks to everybody from now on. */
  send(tracks: LocalTracks): void {
    this.#tracks = tracks;
    for (const peer of this.#peers.peek().values()) peer.send(tracks);
  }

  /** Takes in what a peer sent. */
  receive(from: ParticipantId, negotiation: Negotiation): void {
    this.#peers.peek().get(from)?.receive(negotiation);
  }

  /** These people, or oneself, had lost the server and are back. */
  recover(ids: Iterable<ParticipantId>): void {
    for (const id of ids) this.#peers.peek().get(id)?.recover();
  }

  /** Ends all connections. */
  clear(): void {
    for (const peer of this.#peers.peek().values()) peer.dispose();
    this.#members = [];
    this.#peers.value = new Map();
  }

  #connect(self: ParticipantId, other: ParticipantId): Peer {
    return new Peer({
      self,
      other,
      rtc: this.#options.rtc,
      iceServers: this.#iceServers,
      tracks: this.#tracks,
      send: (negotiation) => this.#options.send(other, negotiation),
      outcome: (outcome) => this.#options.outcome(other, outcome),
    });
  }

  #tellReachable(): void {
    for (const { id, connected } of this.#members) this.#peers.peek().get(id)?.reachable(this.#online && connected);
  }
}
