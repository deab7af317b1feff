import type { CaptureSize } from './quality';
import type { Device, DeviceProblem } from './types';

/** The browser's devices, so that tests can put others in their place. */
export interface DeviceAccess {
  /** False where the browser gives no devices at all: pages that did not come over HTTPS. */
  readonly available: boolean;
  open(constraints: MediaStreamConstraints): Promise<MediaStream>;
  list(): Promise<readonly MediaDeviceInfo[]>;
  /** Whether the user allowed both for good, so that opening them asks nothing. */
  granted(): Promise<boolean>;
  /** Calls back when a device comes or goes; gives the way to stop that. */
  watch(changed: () => void): () => void;
}

/** A track, or why there is none. */
export type Opened =
  | { readonly track: MediaStreamTrack; readonly problem: null }
  | { readonly track: null; readonly problem: DeviceProblem };

/** All devices by kind. */
export interface DeviceList {
  readonly microphones: Device[];
  readonly cameras: Device[];
  readonly speakers: Device[];
}

/** The devices of this browser. */
export function browserDevices(): DeviceAccess {
  // Absent where the page did not come over HTTPS, whatever the types say.
  const media = navigator.mediaDevices as MediaDevices | undefined;
  return {
    available: media !== undefined,
    open: (constraints) => (media ? media.getUserMedia(constraints) : Promise.reject(new TypeError('no devices'))),
    list: () => (media ? media.enumerateDevices() : Promise.resolve([])),
    granted: async () => (await allowed('microphone')) && (await allowed('camera')),
    watch: (changed) => {
      media?.addEventListener('devicechange', changed);
      return () => media?.removeEventListener('devicechange', changed);
    },
  };
}

/** Opens the microphone of this id; when it is gone, any. */
export function openMicrophone(access: DeviceAccess, id: string | null): Promise<Opened> {
  return openOne(access, id, (device) => ({ audio: microphone(device) }));
}

/** Opens the camera of this id; when it is gone, any. */
export function openCamera(access: DeviceAccess, id: string | null, size: CaptureSize): Promise<Opened> {
  return openOne(access, id, (device) => ({ video: camera(device, size) }));
}

/** Both with one question to the user. When that fails, each on its own, since one of the two may be there. */
export async function openBoth(
  access: DeviceAccess,
  ids: { readonly microphone: string | null; readonly camera: string | null },
  size: CaptureSize,
): Promise<{ readonly microphone: Opened; readonly camera: Opened }> {
  const both = await attempt(access, { audio: microphone(ids.microphone), video: camera(ids.camera, size) });
  if (both.stream) {
    const [audio, video] = [both.stream.getAudioTracks(), both.stream.getVideoTracks()];
    return { microphone: opened(audio), camera: opened(video) };
  }
  if (both.dismissed) {
    const refused: Opened = { track: null, problem: both.problem };
    return { microphone: refused, camera: refused };
  }
  const first = await openMicrophone(access, ids.microphone);
  return { microphone: first, camera: await openCamera(access, ids.camera, size) };
}

/** What there is to choose from. Speakers can't be named in every browser; then their list is empty. */
export async function listDevices(access: DeviceAccess): Promise<DeviceList> {
  const all = await access.list().catch(() => []);
  const of = (kind: MediaDeviceKind): Device[] =>
    all.filter((device) => device.kind === kind && device.deviceId !== '').map(({ deviceId, label }) => ({ id: deviceId, label }));
  return { microphones: of('audioinput'), cameras: of('videoinput'), speakers: of('audiooutput') };
}

/** What an error of `getUserMedia` means to the user (W3C Media Capture and Streams §10.2). */
export function problemOf(error: unknown): DeviceProblem {
  if (!(error instanceof Error)) return 'unknown';
  switch (error.name) {
    case 'NotAllowedError':
      return /system/i.test(error.message) ? 'refusedBySystem' : 'refused';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'notFound';
    case 'NotReadableError':
    case 'AbortError':
      return 'inUse';
    case 'SecurityError':
    case 'TypeError':
      return 'insecure';
    default:
      return 'unknown';
  }
}

/** Not every browser tells; then the answer is no, and the page asks. */
async function allowed(name: 'microphone' | 'camera'): Promise<boolean> {
  try {
    return (await navigator.permissions.query({ name })).state === 'granted';
  } catch {
    return false;
  }
}

type Attempt =
  | { readonly stream: MediaStream }
  | { readonly stream: null; readonly problem: DeviceProblem; readonly dismissed: boolean };

async function attempt(access: DeviceAccess, constraints: MediaStreamConstraints): Promise<Attempt> {
  if (!access.available) return { stream: null, problem: 'insecure', dismissed: true };
  try {
    return { stream: await access.open(constraints) };
  } catch (error) {
    // Somebody who closed the question is not asked two more times at once.
    const dismissed = error instanceof Error && /dismissed/i.test(error.message);
    return { stream: null, problem: problemOf(error), dismissed };
  }
}

async function openOne(
  access: DeviceAccess,
  id: string | null,
  constraints: (id: string | null) => MediaStreamConstraints,
): Promise<Opened> {
  let result = await attempt(access, constraints(id));
  if (!result.stream && result.problem === 'notFound' && id !== null) result = await attempt(access, constraints(null));
  return result.stream ? opened(result.stream.getTracks()) : { track: null, problem: result.problem };
}

function opened([track]: readonly MediaStreamTrack[]): Opened {
  return track ? { track, problem: null } : { track: null, problem: 'notFound' };
}

function microphone(id: string | null): MediaTrackConstraints {
  return { ...chosen(id), echoCancellation: true, noiseSuppression: true, autoGainControl: true };
}

function camera(id: string | null, size: CaptureSize): MediaTrackConstraints {
  return {
    ...chosen(id),
    width: { ideal: size.width },
    height: { ideal: size.height },
    frameRate: { ideal: size.frameRate },
  };
}

function chosen(id: string | null): MediaTrackConstraints {
  return id === null ? {} : { deviceId: { exact: id } };
}
