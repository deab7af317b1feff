import type { Rtc } from '../../src/media/rtc';

/** The way that media takes between two fake connections: up or down, and it finds out when they fit together. */
export class FakePath {
  readonly ends: FakePeerConnection[] = [];
  #up = true;

  get up(): boolean {
    return this.#up;
  }

  set up(up: boolean) {
    this.#up = up;
    this.evaluate();
  }

  evaluate(): void {
    for (const end of this.ends) end.evaluate(this.ends.find((other) => other !== end), this.#up);
  }

  /** WebRTC whose connections all lie on this path. */
  rtc(owner = ''): Rtc {
    return {
      connection: () => new FakePeerConnection(this, owner) as unknown as RTCPeerConnection,
      stream: () => new FakeStream() as unknown as MediaStream,
    };
  }
}

export class FakeStream {
  #tracks: MediaStreamTrack[] = [];
  addTrack(track: MediaStreamTrack): void {
    this.#tracks.push(track);
  }
  removeTrack(track: MediaStreamTrack): void {
    this.#tracks = this.#tracks.filter((one) => one !== track);
  }
  getTracks(): MediaStreamTrack[] {
    return [...this.#tracks];
  }
  getAudioTracks(): MediaStreamTrack[] {
    return this.#tracks.filter(({ kind }) => kind === 'audio');
  }
  getVideoTracks(): MediaStreamTrack[] {
    return this.#tracks.filter(({ kind }) => kind === 'video');
  }
}

interface Encodings {
  readonly encodings: RTCRtpEncodingParameters[];
}

/** The way that media takes, which changes when it is told to. */
export class FakeIceTransport {
  onselectedcandidatepairchange: (() => void) | null = null;
  #pair: object | null = null;
  /** Whether browsers tell of the way at all, as Firefox does not. */
  static tells = true;
  readonly getSelectedCandidatePair = FakeIceTransport.tells ? (): object | null => this.#pair : undefined;
  takeAnotherWay(): void {
    this.#pair = {};
    this.onselectedcandidatepairchange?.();
  }
}

export class FakeTransceiver {
  mid: string | null = null;
  direction = 'sendrecv';
  level = 0;
  /** How often a whole picture was asked for. */
  wholePictures = 0;
  readonly iceTransport = new FakeIceTransport();
  readonly kind: string;
  readonly receiver;
  readonly sender;

  constructor(kind: string) {
    this.kind = kind;
    this.receiver = { track: { kind }, getSynchronizationSources: () => [{ audioLevel: this.level }] };
    const parameters = { encodings: [{}] as RTCRtpEncodingParameters[] };
    this.sender = {
      track: null as unknown,
      transport: { iceTransport: this.iceTransport },
      // The track changes a moment after it was asked for, as in browsers.
      replaceTrack: async (track: unknown): Promise<void> => {
        await Promise.resolve();
        this.sender.track = track;
      },
      getParameters: () => structuredClone(parameters),
      setParameters: async ({ encodings }: Encodings, options?: { encodingOptions: { keyFrame: boolean }[] }): Promise<void> => {
        parameters.encodings = encodings;
        if (options?.encodingOptions.every(({ keyFrame }) => keyFrame)) this.wholePictures += 1;
      },
    };
  }
}

interface Description {
  readonly type: 'offer' | 'answer';
  readonly ufrag: string;
  readonly fingerprint: string;
  readonly mids: readonly { readonly mid: string; readonly kind: string }[];
  readonly version: number;
}

/**
 * An `RTCPeerConnection` without a network, faithful in what negotiation depends on: the signaling states, rollback, transceivers
 * that a remote offer does not take over, ICE generations, `negotiationneeded`, and operations that run one after the other.
 */
export class FakePeerConnection {
  static #serial = 0;
  onnegotiationneeded: (() => void) | null = null;
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  onsignalingstatechange: (() => void) | null = null;
  ontrack: ((event: { track: unknown }) => void) | null = null;
  signalingState: RTCSignalingState = 'stable';
  connectionState: RTCPeerConnectionState = 'new';
  configuration: RTCConfiguration = {};
  /** How many descriptions this side made. */
  made = { offers: 0, answers: 0 };
  readonly added: string[] = [];
  readonly owner: string;
  /** Of this connection's own certificate. */
  readonly fingerprint = `sha-256 F${(FakePeerConnection.#serial += 1)}`;
  /** The next answer can't be made. */
  failsToAnswer = false;
  /** Whom the encrypted session was begun with. It can't go on with anybody else. */
  #partner: string | null = null;
  readonly #path: FakePath;
  readonly #transceivers: FakeTransceiver[] = [];
  readonly #tracked = new Set<FakeTransceiver>();
  readonly #gathered = new Map<string, string[]>();
  #operations: Promise<unknown> = Promise.resolve();
  #current: { local: Description | null; remote: Description | null } = { local: null, remote: null };
  #pendingLocal: Description | null = null;
  #pendingRemote: Description | null = null;
  #restart = false;
  #needed = false;
  #ufrag = `u${(FakePeerConnection.#serial += 1)}`;
  #version = 0;
  /** The generation that ICE gave up; only another one can connect again. */
  #failed: string | null = null;

  constructor(path: FakePath, owner: string) {
    this.owner = owner;
    this.#path = path;
    path.ends.push(this);
  }

  get localDescription(): { type: string; sdp: string } | null {
    return this.#write(this.#pendingLocal ?? this.#current.local);
  }
  get pendingLocalDescription(): { type: string; sdp: string } | null {
    return this.#write(this.#pendingLocal);
  }
  get currentLocalDescription(): { type: string; sdp: string } | null {
    return this.#write(this.#current.local);
  }
  get remoteDescription(): { type: string; sdp: string } | null {
    return this.#write(this.#pendingRemote ?? this.#current.remote);
  }
  get currentRemoteDescription(): { type: string; sdp: string } | null {
    return this.#write(this.#current.remote);
  }

  getConfiguration(): RTCConfiguration {
    return this.configuration;
  }
  setConfiguration(configuration: RTCConfiguration): void {
    this.configuration = configuration;
  }
  /** Media takes a relay of this side's, or one of the other's. */
  relayed = false;
  relayedThere = false;
  async getStats(): Promise<Map<string, Record<string, unknown>>> {
    const local = { id: 'L', type: 'local-candidate', candidateType: this.relayed ? 'relay' : 'host' };
    const remote = { id: 'R', type: 'remote-candidate', candidateType: this.relayedThere ? 'relay' : 'host' };
    const pair = { id: 'P', type: 'candidate-pair', localCandidateId: 'L', remoteCandidateId: 'R' };
    const transport = { id: 'T', type: 'transport', selectedCandidatePairId: 'P' };
    return new Map([local, remote, pair, transport].map((entry) => [entry.id, entry]));
  }
  getTransceivers(): FakeTransceiver[] {
    return [...this.#transceivers];
  }

  addTransceiver(kind: string): FakeTransceiver {
    const transceiver = new FakeTransceiver(kind);
    this.#transceivers.push(transceiver);
    this.#checkNeeded();
    return transceiver;
  }

  restartIce(): void {
    this.#restart = true;
    this.#checkNeeded();
  }

  setLocalDescription(): Promise<void> {
    return this.#chain(() => {
      if (this.signalingState === 'have-remote-offer') this.#answer();
      else this.#offer();
    });
  }

  setRemoteDescription({ type, sdp = '' }: { type: 'offer' | 'answer' | 'rollback'; sdp?: string }): Promise<void> {
    return this.#chain(() => {
      if (type === 'rollback') return this.#rollbackRemote();
      const description = read(type, sdp);
      if (type === 'offer') this.#takeOffer(description);
      else this.#takeAnswer(description);
      for (const [, line] of sdp.matchAll(/^a=(candidate:.*)$/gm)) this.added.push(line ?? '');
    });
  }

  addIceCandidate(candidate: { candidate: string; usernameFragment?: string | null }): Promise<void> {
    return this.#chain(() => {
      const remote = this.#pendingRemote ?? this.#current.remote;
      if (!remote) throw new DOMException('no remote description', 'InvalidStateError');
      if (candidate.usernameFragment !== remote.ufrag) throw new DOMException('unknown fragment', 'OperationError');
      this.added.push(candidate.candidate);
    });
  }

  close(): void {
    this.signalingState = 'closed';
    this.connectionState = 'closed';
    this.#path.ends.splice(this.#path.ends.indexOf(this), 1);
    this.#path.evaluate();
  }

  /** ICE has given up. */
  fail(): void {
    this.#failed = this.#current.local?.ufrag ?? null;
    this.#become('failed');
  }

  /** Looks whether this end and the other one fit together. Called by the path. */
  evaluate(other: FakePeerConnection | undefined, up: boolean): void {
    if (this.connectionState === 'closed') return;
    const fits = up && other !== undefined && this.#hears(other) && other.#hears(this) && this.#trusts(other) && other.#trusts(this);
    if (fits) {
      this.#partner = other.fingerprint;
      other.#partner = this.fingerprint;
      this.#become('connected');
    }
    else if (this.connectionState === 'connected') this.#become('disconnected');
    else if (this.connectionState === 'new' && this.#current.remote) this.#become('connecting');
  }

  #hears(other: FakePeerConnection): boolean {
    const remote = this.#current.remote?.ufrag;
    if (this.#failed !== null && this.#failed === this.#current.local?.ufrag) return false;
    return remote !== undefined && remote === other.#current.local?.ufrag && this.added.some((line) => line.includes(remote));
  }

  #trusts(other: FakePeerConnection): boolean {
    return this.#current.remote?.fingerprint === other.fingerprint && (this.#partner ?? other.fingerprint) === other.fingerprint;
  }

  #become(state: RTCPeerConnectionState): void {
    if (this.connectionState === state) return;
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  #signal(state: RTCSignalingState): void {
    if (this.signalingState === state) return;
    this.signalingState = state;
    this.onsignalingstatechange?.();
  }

  #offer(): void {
    if (this.#restart) this.#ufrag = `u${(FakePeerConnection.#serial += 1)}`;
    this.#restart = false;
    let next = this.#transceivers.filter(({ mid }) => mid !== null).length;
    for (const transceiver of this.getTransceivers()) transceiver.mid ??= String(next++);
    this.#pendingLocal = this.#describe('offer');
    this.made.offers += 1;
    this.#signal('have-local-offer');
    this.#gather();
  }

  #answer(): void {
    const remote = this.#pendingRemote;
    if (!remote) throw new DOMException('nothing to answer', 'InvalidStateError');
    if (this.failsToAnswer) {
      this.failsToAnswer = false;
      throw new DOMException('no answer can be made', 'OperationError');
    }
    if (this.#current.remote && this.#current.remote.ufrag !== remote.ufrag) this.#ufrag = `u${(FakePeerConnection.#serial += 1)}`;
    this.#current = { local: this.#describe('answer'), remote };
    this.#pendingRemote = null;
    this.made.answers += 1;
    this.#signal('stable');
    this.#checkNeeded();
    this.#gather();
  }

  #takeOffer(offer: Description): void {
    if (this.signalingState === 'have-local-offer') this.#rollback();
    for (const { mid, kind } of offer.mids) {
      let transceiver = this.getTransceivers().find((one) => one.mid === mid);
      if (!transceiver) {
        transceiver = new FakeTransceiver(kind);
        transceiver.direction = 'recvonly';
        transceiver.mid = mid;
        this.#transceivers.push(transceiver);
      }
    }
    this.#pendingRemote = offer;
    this.#signal('have-remote-offer');
    this.#announceTracks(offer);
  }

  #takeAnswer(answer: Description): void {
    if (this.signalingState !== 'have-local-offer') throw new DOMException('no offer is open', 'InvalidStateError');
    this.#current = { local: this.#pendingLocal, remote: answer };
    this.#pendingLocal = null;
    this.#signal('stable');
    this.#announceTracks(answer);
    this.#checkNeeded();
  }

  #rollback(): void {
    const negotiated = new Set(this.#current.local?.mids.map(({ mid }) => mid));
    for (const transceiver of this.#transceivers) if (!negotiated.has(transceiver.mid ?? '')) transceiver.mid = null;
    // The generation that was rolled back is not used; the wish to restart stays.
    if (this.#current.local && this.#pendingLocal && this.#current.local.ufrag !== this.#pendingLocal.ufrag) {
      this.#ufrag = this.#current.local.ufrag;
      this.#restart = true;
    }
    this.#pendingLocal = null;
    this.#signal('stable');
  }

  #rollbackRemote(): void {
    if (this.signalingState !== 'have-remote-offer') throw new DOMException('nothing to roll back', 'InvalidStateError');
    this.#pendingRemote = null;
    this.#signal('stable');
    this.#checkNeeded();
  }

  #announceTracks(remote: Description): void {
    for (const { mid } of remote.mids) {
      const transceiver = this.getTransceivers().find((one) => one.mid === mid);
      if (!transceiver || this.#tracked.has(transceiver)) continue;
      this.#tracked.add(transceiver);
      this.ontrack?.({ track: transceiver.receiver.track });
    }
  }

  #describe(type: 'offer' | 'answer'): Description {
    const used = this.getTransceivers().filter(({ mid }) => mid !== null);
    return { type, ufrag: this.#ufrag, fingerprint: this.fingerprint, version: (this.#version += 1), mids: used.map(({ mid, kind }) => ({ mid: mid ?? '', kind })) };
  }

  #gather(): void {
    const ufrag = this.#ufrag;
    if (this.#gathered.has(ufrag)) return;
    this.#gathered.set(ufrag, []);
    setTimeout(() => {
      if (this.signalingState === 'closed') return;
      const candidate = `candidate:1 of ${ufrag}`;
      this.#gathered.get(ufrag)?.push(candidate);
      this.onicecandidate?.({ candidate: { candidate, sdpMid: '0', sdpMLineIndex: 0, usernameFragment: ufrag } });
    }, 5);
  }

  /** W3C WebRTC §4.7.3: asked for once, and only in the stable state. */
  #checkNeeded(): void {
    if (this.#needed) return;
    this.#needed = true;
    void this.#chain(() => undefined).then(() => {
      this.#needed = false;
      if (this.signalingState !== 'stable') return;
      if (this.#restart || this.getTransceivers().some(({ mid }) => mid === null)) this.onnegotiationneeded?.();
    });
  }

  #write(description: Description | null): { type: string; sdp: string } | null {
    if (!description) return null;
    const media = description.mids.map(({ mid, kind }) => `m=${kind} 9\na=mid:${mid}\n`).join('');
    const candidates = (this.#gathered.get(description.ufrag) ?? []).map((candidate) => `a=${candidate}\n`).join('');
    const sdp = `v=0\no=- 1 ${description.version}\na=ice-ufrag:${description.ufrag}\na=fingerprint:${description.fingerprint}\n${media}${candidates}`;
    return { type: description.type, sdp };
  }

  #chain<T>(operation: () => T): Promise<T> {
    const result = this.#operations.then(() => {
      if (this.signalingState === 'closed') return new Promise<T>(() => undefined);
      const value = operation();
      this.#path.evaluate();
      return value;
    });
    this.#operations = result.catch(() => undefined);
    return result;
  }
}

function read(type: 'offer' | 'answer', sdp: string): Description {
  const mids = Array.from(sdp.matchAll(/^m=(\w+) .*\na=mid:(\w+)$/gm), ([, kind, mid]) => ({ kind: kind ?? '', mid: mid ?? '' }));
  const first = (pattern: RegExp): string => pattern.exec(sdp)?.[1] ?? '';
  const [ufrag, fingerprint] = [first(/^a=ice-ufrag:(\S+)$/m), first(/^a=fingerprint:(.+)$/m)];
  return { type, mids, ufrag, fingerprint, version: Number(first(/^o=- 1 (\d+)$/m)) };
}
