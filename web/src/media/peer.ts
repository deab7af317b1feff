import { signal, type ReadonlySignal } from '@preact/signals';
import type { IceServer } from '../wire/IceServer';
import type { ParticipantId } from '../wire/ParticipantId';
import { CandidateQueue } from './candidates';
import { Lanes } from './lanes';
import { videoCap } from './quality';
import { Renewal } from './renewal';
import { fingerprintsOf, toWire, ufragsOf, type LocalTracks, type Negotiation, type Rtc, type Whose } from './rtc';
import type { PeerLink } from './types';
import { type Outcome, Watch } from './watch';

/** What a peer is made of. */
export interface PeerOptions {
  readonly self: ParticipantId;
  readonly other: ParticipantId;
  readonly rtc: Rtc;
  readonly iceServers: readonly IceServer[];
  readonly tracks: LocalTracks;
  /** Passes something on to the other side, if there is a way at the moment. Nothing is kept when there is none. */
  readonly send: (negotiation: Negotiation) => void;
  /** The connection stands for the first time, or was called failed before. Each is told once. */
  readonly outcome: (outcome: Outcome) => void;
}

/** The impolite side begins; the polite side does when nothing has come for so long. */
const POLITE_START_MS = 2_000;

/**
 * The connection to one other person: perfect negotiation as in the W3C's WebRTC text (§10.7), and all that is needed to keep
 * it alive while the server comes and goes. Whether the server can be reached never closes it.
 */
export class Peer {
  readonly #options: PeerOptions;
  #connection: RTCPeerConnection;
  #iceServers: readonly IceServer[];
  readonly #polite: boolean;
  readonly #lanes: Lanes;
  readonly #candidates = new CandidateQueue();
  readonly #watch: Watch;
  readonly #renewal: Renewal;
  readonly #stream = signal<MediaStream | null>(null);
  #start: ReturnType<typeof setTimeout> | undefined;
  #makingOffer = false;
  #closed = false;
  /**
   * What arrives is worked through one by one. An answer is therefore applied before a following offer is looked at, which is
   * what the W3C's text needs `isSettingRemoteAnswerPending` for.
   */
  #inbox: Promise<void> = Promise.resolve();

  constructor(options: PeerOptions) {
    const { self, other, iceServers, tracks, outcome } = options;
    this.#options = options;
    this.#polite = self < other;
    this.#iceServers = iceServers;
    this.#connection = this.#open();
    this.#lanes = new Lanes(this.#connection, tracks, videoCap(1));
    this.#renewal = new Renewal(this.#polite);
    this.#watch = new Watch({ patient: this.#polite, repair: () => this.#repair(), outcome });
    if (this.#polite) this.#start = setTimeout(() => this.#begin(), POLITE_START_MS);
    else this.#begin();
  }

  /** How the connection stands, for the tile. */
  get link(): ReadonlySignal<PeerLink> {
    return this.#watch.link;
  }

  /** What the other side sends. */
  get stream(): ReadonlySignal<MediaStream | null> {
    return this.#stream;
  }

  /** Takes in what the other side sent. */
  receive(negotiation: Negotiation): void {
    this.#inbox = this.#inbox
      .then(() => this.#take(negotiation))
      // Nothing that a peer sends may stop what comes after it. What could not be used is mended by the watch.
      .catch(() => undefined);
  }

  /** Sends other tracks from now on, without a negotiation. */
  send(tracks: LocalTracks): void {
    this.#lanes.send(tracks);
  }

  /** Shares the uplink with this many peers. */
  shareWith(peers: number): void {
    this.#lanes.limit(videoCap(peers));
  }

  /** Whether both sides can be reached through the server now. Repairs wait until they can. */
  reachable(yes: boolean): void {
    this.#watch.reachable(yes);
  }

  /** Uses these for the next ICE generation. */
  useIceServers(iceServers: readonly IceServer[]): void {
    this.#iceServers = iceServers;
    this.#connection.setConfiguration({ ...this.#connection.getConfiguration(), iceServers: [...iceServers] });
  }

  /** Moves over to the ICE servers given last where one's own relay is in use, or that of either side. */
  renewRelay(whose: Whose): void {
    this.#renewal.start(this.#connection, whose);
  }

  /**
   * One of the two was away from the server and is back; what was sent meanwhile is lost. An offer without an answer is
   * repeated, a connection that does not stand is mended, and one that stands is left alone.
   */
  recover(): void {
    if (this.#connection.signalingState === 'have-local-offer') {
      this.#sendDescription();
      this.#watch.begun();
    } else if (this.#connection.connectionState !== 'connected') this.#watch.hurry();
  }

  /** How loud the other side is at the moment, 0 to 1. */
  level(): number {
    return this.#lanes.level();
  }

  /** Ends the connection. */
  dispose(): void {
    this.#closed = true;
    clearTimeout(this.#start);
    this.#watch.dispose();
    this.#renewal.stop();
    hush(this.#connection);
    this.#connection.close();
    this.#stream.value = null;
  }

  #open(): RTCPeerConnection {
    const { rtc, send } = this.#options;
    const connection = rtc.connection({ iceServers: [...this.#iceServers], bundlePolicy: 'max-bundle' });
    connection.onnegotiationneeded = () => void this.#offer();
    connection.onicecandidate = ({ candidate }) => {
      if (candidate) send({ type: 'candidate', candidate: toWire(candidate) });
    };
    connection.onconnectionstatechange = () => this.#watch.changed(connection.connectionState);
    connection.onsignalingstatechange = () => {
      if (connection.signalingState === 'stable') this.#lanes.negotiated();
    };
    connection.ontrack = ({ track }) => this.#addTrack(track);
    return connection;
  }

  /**
   * Gives up the connection for a new one.
   *
   * An offer that was the first thing this side did goes this way. A rollback would not do: lanes that this side made never
   * match those of the other's offer (RFC 8829 §5.10 matches only those made by addTrack), would be offered again beside
   * them, and stopping them makes Chromium ask for negotiations without end.
   * So does a connection whose other end is another one than before.
   */
  #startOver(): void {
    const stood = this.#connection.connectionState === 'connected';
    hush(this.#connection);
    this.#connection.close();
    this.#connection = this.#open();
    this.#lanes.moveTo(this.#connection);
    this.#makingOffer = false;
    if (stood) this.#watch.changed('disconnected');
  }

  /**
   * Whether a description comes from another connection than the one that this one was made with: the other side lost its
   * seat meanwhile and began anew, with another certificate. The encrypted session can't go on with that.
   */
  #isFromAnother(sdp: string): boolean {
    const before = this.#connection.currentRemoteDescription;
    return before !== null && !overlap(fingerprintsOf(before.sdp), fingerprintsOf(sdp));
  }

  #begin(): void {
    clearTimeout(this.#start);
    if (!this.#closed && !this.#lanes.open) this.#lanes.create();
  }

  /** Runs only where the connection does not stand and both sides can be reached. */
  #repair(): void {
    if (this.#connection.signalingState === 'have-local-offer') this.#sendDescription();
    else if (!this.#lanes.open) this.#begin();
    else this.#connection.restartIce();
  }

  async #offer(): Promise<void> {
    const connection = this.#connection;
    this.#makingOffer = true;
    try {
      await connection.setLocalDescription();
      if (connection === this.#connection) this.#sendDescription();
    } catch {
      // Closed meanwhile, or an offer of the other side came first; that one's end raises `negotiationneeded` again.
    } finally {
      if (connection === this.#connection) this.#makingOffer = false;
    }
  }

  async #take(negotiation: Negotiation): Promise<void> {
    if (this.#closed) return;
    switch (negotiation.type) {
      case 'offer':
        return this.#takeOffer(negotiation.sdp);
      case 'answer':
        return this.#takeAnswer(negotiation.sdp);
      case 'candidate':
        this.#candidates.push(negotiation.candidate);
        return this.#addCandidates();
    }
  }

  async #takeOffer(sdp: string): Promise<void> {
    // Lanes without any description are an offer about to be made.
    const first = this.#lanes.open && this.#connection.remoteDescription === null;
    const collision = first || this.#makingOffer || this.#connection.signalingState !== 'stable';
    if (collision && !this.#polite) {
      // Somebody who begins may not have got our beginning.
      if (first && this.#connection.signalingState === 'have-local-offer') this.#sendDescription();
      return;
    }
    clearTimeout(this.#start);
    if (first || this.#isFromAnother(sdp)) this.#startOver();
    await this.#connection.setRemoteDescription({ type: 'offer', sdp });
    this.#lanes.adopt();
    await this.#answer();
    this.#sendDescription();
    await this.#addCandidates();
  }

  async #answer(): Promise<void> {
    const connection = this.#connection;
    try {
      await connection.setLocalDescription();
    } catch (error) {
      // An offer without an answer would be in the way of all that follow.
      if (connection.signalingState === 'have-remote-offer') await connection.setRemoteDescription({ type: 'rollback' });
      throw error;
    }
  }

  async #takeAnswer(sdp: string): Promise<void> {
    if (this.#connection.signalingState !== 'have-local-offer' || this.#isOutdated(sdp)) return;
    if (this.#isFromAnother(sdp)) {
      this.#startOver();
      return this.#begin();
    }
    await this.#connection.setRemoteDescription({ type: 'answer', sdp });
    await this.#addCandidates();
  }

  /**
   * An offer that was repeated gets a second answer, which may arrive after the next offer was made. Where that offer restarts
   * ICE its answer must bring a new fragment (RFC 8839 §4.4.1.1); one with the fragment in use belongs to the offer before.
   */
  #isOutdated(answer: string): boolean {
    const { currentLocalDescription, pendingLocalDescription, currentRemoteDescription } = this.#connection;
    if (!currentLocalDescription || !pendingLocalDescription || !currentRemoteDescription) return false;
    const restarts = !overlap(ufragsOf(currentLocalDescription.sdp), ufragsOf(pendingLocalDescription.sdp));
    return restarts && overlap(ufragsOf(currentRemoteDescription.sdp), ufragsOf(answer));
  }

  async #addCandidates(): Promise<void> {
    for (const candidate of this.#candidates.take(this.#connection.remoteDescription)) {
      // A candidate of a kind that this browser can't use is no reason to drop those behind it.
      await this.#connection.addIceCandidate(candidate).catch(() => undefined);
    }
  }

  /** Includes the candidates found so far, so that repeating it repeats them as well. */
  #sendDescription(): void {
    const description = this.#connection.localDescription;
    if (this.#closed || !description) return;
    if (description.type === 'offer' || description.type === 'answer') {
      this.#options.send({ type: description.type, sdp: description.sdp });
    }
  }

  #addTrack(track: MediaStreamTrack): void {
    const stream = this.#stream.value ?? this.#options.rtc.stream();
    for (const old of stream.getTracks()) if (old.kind === track.kind && old !== track) stream.removeTrack(old);
    stream.addTrack(track);
    this.#stream.value = stream;
  }
}

/** A connection that was given up has nothing more to say. */
function hush(connection: RTCPeerConnection): void {
  connection.onnegotiationneeded = null;
  connection.onicecandidate = null;
  connection.onconnectionstatechange = null;
  connection.onsignalingstatechange = null;
  connection.ontrack = null;
}

function overlap(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return [...one].some((item) => other.has(item));
}
