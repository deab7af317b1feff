import { KINDS, type Kind, type LocalTracks } from './rtc';
import type { VideoCap } from './quality';
import { Way } from './way';

/**
 * The two lanes of a connection: one transceiver for sound and one for the picture, both ways, for as long as it lives. What
 * is sent is changed by replacing the sender's track, which needs no negotiation.
 */
export class Lanes {
  #connection: RTCPeerConnection;
  readonly #lanes = new Map<Kind, RTCRtpTransceiver>();
  /** What each sender was last told to send. Its own `track` follows only a moment later. */
  readonly #told = new WeakMap<RTCRtpSender, MediaStreamTrack | null>();
  #tracks: LocalTracks;
  #cap: VideoCap;
  readonly #way = new Way();

  constructor(connection: RTCPeerConnection, tracks: LocalTracks, cap: VideoCap) {
    this.#connection = connection;
    this.#tracks = tracks;
    this.#cap = cap;
  }

  /** Whether there is anything to negotiate about. */
  get open(): boolean {
    return this.#lanes.size > 0;
  }

  /** Makes the lanes from this side, which asks for a negotiation. */
  create(): void {
    for (const kind of KINDS) this.#use(kind, this.#connection.addTransceiver(kind, { direction: 'sendrecv' }));
  }

  /** Takes over the lanes that a remote offer brought. */
  adopt(): void {
    for (const transceiver of this.#connection.getTransceivers()) {
      const kind = transceiver.receiver.track.kind as Kind;
      if (!this.#lanes.has(kind)) this.#use(kind, transceiver);
    }
  }

  /** Starts over without lanes on another connection. */
  moveTo(connection: RTCPeerConnection): void {
    this.#connection = connection;
    this.#lanes.clear();
  }

  /** Sends other tracks from now on. */
  send(tracks: LocalTracks): void {
    this.#tracks = tracks;
    for (const [kind, lane] of this.#lanes) this.#replaceTrack(lane.sender, tracks[kind]);
  }

  /** Sends a picture of at most this quality from now on. */
  limit(cap: VideoCap): void {
    this.#cap = cap;
    const sender = this.#lanes.get('video')?.sender;
    if (sender) this.#applyLimit(sender);
  }

  /** A negotiation is through: there are parameters to set, and a way that the picture takes. */
  negotiated(): void {
    const sender = this.#lanes.get('video')?.sender;
    if (!sender) return;
    this.#applyLimit(sender);
    this.#way.follow(sender);
  }

  #applyLimit(sender: RTCRtpSender): void {
    const parameters = sender.getParameters();
    const [encoding] = parameters.encodings ?? [];
    if (!encoding || sameLimit(encoding, this.#cap)) return;
    Object.assign(encoding, this.#cap);
    // Refused when a negotiation changes the parameters meanwhile; its end comes here again.
    sender.setParameters(parameters).catch(() => undefined);
  }

  /** How loud the other side's sound is at the moment, 0 to 1. */
  level(): number {
    const sources = this.#lanes.get('audio')?.receiver.getSynchronizationSources() ?? [];
    return Math.max(0, ...sources.map((source) => source.audioLevel ?? 0));
  }

  #use(kind: Kind, transceiver: RTCRtpTransceiver): void {
    this.#lanes.set(kind, transceiver);
    transceiver.direction = 'sendrecv';
    this.#replaceTrack(transceiver.sender, this.#tracks[kind]);
  }

  #replaceTrack(sender: RTCRtpSender, track: MediaStreamTrack | null): void {
    if ((this.#told.get(sender) ?? null) === track) return;
    this.#told.set(sender, track);
    // Fails only when the connection was closed meanwhile, and then nobody sees it any more.
    sender.replaceTrack(track).catch(() => undefined);
  }
}

function sameLimit(encoding: RTCRtpEncodingParameters, cap: VideoCap): boolean {
  return (
    encoding.maxBitrate === cap.maxBitrate &&
    encoding.maxFramerate === cap.maxFramerate &&
    encoding.scaleResolutionDownBy === cap.scaleResolutionDownBy
  );
}
