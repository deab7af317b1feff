import type { Candidate } from '../wire/Candidate';

/** The browser's WebRTC, so that tests can put another in its place. */
export interface Rtc {
  connection(configuration: RTCConfiguration): RTCPeerConnection;
  stream(): MediaStream;
}

/** What two peers tell each other through the server. */
export type Negotiation =
  | { readonly type: 'offer'; readonly sdp: string }
  | { readonly type: 'answer'; readonly sdp: string }
  | { readonly type: 'candidate'; readonly candidate: Candidate };

/** What is sent to the peers. Null where there is no device, or the camera is off. */
export interface LocalTracks {
  readonly audio: MediaStreamTrack | null;
  readonly video: MediaStreamTrack | null;
}

export const KINDS = ['audio', 'video'] as const;
export type Kind = (typeof KINDS)[number];

/** The WebRTC of this browser. */
export function browserRtc(): Rtc {
  return {
    connection: (configuration) => new RTCPeerConnection(configuration),
    stream: () => new MediaStream(),
  };
}

/** The ICE generations of a session description, by their user name fragments (RFC 8839 §5.4). */
export function ufragsOf(sdp: string): ReadonlySet<string> {
  return new Set(Array.from(sdp.matchAll(/^a=ice-ufrag:(\S+)/gm), ([, ufrag]) => ufrag ?? ''));
}

/** The certificates of a session description, by their fingerprints (RFC 8122 §5). */
export function fingerprintsOf(sdp: string): ReadonlySet<string> {
  return new Set(Array.from(sdp.matchAll(/^a=fingerprint:(.+?)\s*$/gm), ([, fingerprint]) => (fingerprint ?? '').toLowerCase()));
}

/** Whose relay it is about: this side's own, or that of either side. */
export type Whose = 'own' | 'either';

/** Whether the pair in use begins at a relay, or ends at one (W3C WebRTC statistics, `RTCIceCandidatePairStats`). */
export function isRelayed(stats: RTCStatsReport, whose: Whose): boolean {
  const entries = [...stats.values()] as Record<string, unknown>[];
  const selected = entries.find(({ type }) => type === 'transport')?.['selectedCandidatePairId'];
  const pair = entries.find((entry) =>
    selected === undefined ? entry['type'] === 'candidate-pair' && entry['nominated'] === true : entry['id'] === selected,
  );
  const ends = whose === 'own' ? ['localCandidateId'] : ['localCandidateId', 'remoteCandidateId'];
  const candidates = ends.map((end) => entries.find((entry) => entry['id'] === pair?.[end]));
  return candidates.some((candidate) => candidate?.['candidateType'] === 'relay');
}

/** A candidate as it crosses the network. */
export function toWire(candidate: RTCIceCandidate): Candidate {
  const { sdpMid, sdpMLineIndex, usernameFragment } = candidate;
  return { candidate: candidate.candidate, sdpMid, sdpMLineIndex, usernameFragment };
}
