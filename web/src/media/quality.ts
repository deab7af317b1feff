/** How good the picture sent to one peer may be, in the words of `RTCRtpEncodingParameters`. */
export interface VideoCap {
  /** Bits per second. */
  readonly maxBitrate: number;
  /** Pictures per second. */
  readonly maxFramerate: number;
  /** By how much each side of the picture is divided. */
  readonly scaleResolutionDownBy: number;
}

/** What the camera is asked for. */
export interface CaptureSize {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
}

/** From this many people on the tiles are small, and so may be the picture. */
const MANY_PEOPLE = 4;

/**
 * What a picture sent to each of `peers` may cost. In a mesh the same picture leaves once per peer, so that a usual uplink
 * and processor bear it only when each one shrinks.
 */
export function videoCap(peers: number): VideoCap {
  if (peers <= 1) return { maxBitrate: 1_500_000, maxFramerate: 30, scaleResolutionDownBy: 1 };
  if (peers === 2) return { maxBitrate: 900_000, maxFramerate: 30, scaleResolutionDownBy: 1 };
  if (peers === 3) return { maxBitrate: 600_000, maxFramerate: 25, scaleResolutionDownBy: 1 };
  if (peers === 4) return { maxBitrate: 400_000, maxFramerate: 20, scaleResolutionDownBy: 1 };
  if (peers === 5) return { maxBitrate: 250_000, maxFramerate: 20, scaleResolutionDownBy: 1.5 };
  return { maxBitrate: 150_000, maxFramerate: 15, scaleResolutionDownBy: 2 };
}

/** What to ask the camera for when so many people are in the meeting, oneself included. */
export function captureSize(people: number): CaptureSize {
  return people >= MANY_PEOPLE
    ? { width: 640, height: 360, frameRate: 30 }
    : { width: 1280, height: 720, frameRate: 30 };
}
