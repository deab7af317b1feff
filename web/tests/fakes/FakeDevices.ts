import type { DeviceAccess } from '../../src/media/devices';
import { FakeStream } from './FakePeerConnection';

/** A track of a device that is in use until it is stopped. */
export class FakeTrack {
  enabled = true;
  readyState: 'live' | 'ended' = 'live';
  onended: (() => void) | null = null;
  readonly kind: string;
  readonly deviceId: string;

  constructor(kind: string, deviceId: string) {
    this.kind = kind;
    this.deviceId = deviceId;
  }

  stop(): void {
    this.readyState = 'ended';
  }
  getSettings(): MediaTrackSettings {
    return { deviceId: this.deviceId };
  }
  async applyConstraints(): Promise<void> {}

  /** The device is pulled out. */
  pullOut(): void {
    this.readyState = 'ended';
    this.onended?.();
  }
}

/** Devices as a test wants them. */
export class FakeDevices implements DeviceAccess {
  available = true;
  allowedForGood = false;
  microphones = ['mic-1', 'mic-2'];
  cameras = ['cam-1', 'cam-2'];
  /** Throws this for requests that want sound, or the picture. */
  audioError: Error | null = null;
  videoError: Error | null = null;
  /** Devices that another program holds. */
  readonly busy = new Set<string>();
  /** As on many phones: a camera can't be opened while another one runs. */
  oneCameraAtATime = false;
  readonly requests: MediaStreamConstraints[] = [];
  readonly tracks: FakeTrack[] = [];
  #changed: (() => void) | null = null;

  async open(constraints: MediaStreamConstraints): Promise<MediaStream> {
    this.requests.push(constraints);
    await Promise.resolve();
    if (constraints.audio && this.audioError) throw this.audioError;
    if (constraints.video && this.videoError) throw this.videoError;
    const stream = new FakeStream();
    if (constraints.audio) stream.addTrack(this.#track('audio', constraints.audio, this.microphones));
    if (constraints.video) stream.addTrack(this.#track('video', constraints.video, this.cameras));
    return stream as unknown as MediaStream;
  }

  async list(): Promise<MediaDeviceInfo[]> {
    const of = (kind: MediaDeviceKind, ids: string[]): MediaDeviceInfo[] =>
      ids.map((deviceId) => ({ kind, deviceId, label: `the ${deviceId}`, groupId: '', toJSON: () => ({}) }));
    return [...of('audioinput', this.microphones), ...of('videoinput', this.cameras), ...of('audiooutput', ['loud'])];
  }

  async granted(): Promise<boolean> {
    return this.allowedForGood;
  }

  watch(changed: () => void): () => void {
    this.#changed = changed;
    return () => {
      this.#changed = null;
    };
  }

  /** A device was plugged in or pulled out. */
  change(): void {
    this.#changed?.();
  }

  /** The tracks of one kind that hold their device. */
  live(kind: string): FakeTrack[] {
    return this.tracks.filter((track) => track.kind === kind && track.readyState === 'live');
  }

  #track(kind: string, wanted: boolean | MediaTrackConstraints, ids: string[]): MediaStreamTrack {
    const exact = typeof wanted === 'object' ? (wanted.deviceId as ConstrainDOMStringParameters | undefined)?.exact : undefined;
    const id = exact === undefined ? ids[0] : ids.find((one) => one === exact);
    if (id === undefined) throw failure(exact === undefined ? 'NotFoundError' : 'OverconstrainedError');
    const crowded = kind === 'video' && this.oneCameraAtATime && this.live('video').length > 0;
    if (crowded || this.busy.has(id)) throw failure('NotReadableError');
    const track = new FakeTrack(kind, id);
    this.tracks.push(track);
    return track as unknown as MediaStreamTrack;
  }
}

/** What `getUserMedia` rejects with. */
export function failure(name: string, message = ''): Error {
  return Object.assign(new Error(message), { name });
}
