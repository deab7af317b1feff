import { computed, signal, type ReadonlySignal } from '@preact/signals';
import { listDevices, openBoth, openCamera, openMicrophone, type Opened } from '../media/devices';
import { captureSize, type CaptureSize } from '../media/quality';
import type { LocalTracks } from '../media/rtc';
import type { Device, DeviceProblem } from '../media/types';
import { Ear } from './ear';
import type { Environment } from './environment';
import type { Preferences } from './preferences';

export type { Device, DeviceProblem } from '../media/types';

type Needs = Pick<Environment, 'devices' | 'openMeter' | 'playTestSound' | 'monotonic' | 'rtc'>;

/**
 * The microphone and the camera of this browser, from the page before joining to the end of the meeting. Everything works
 * without either. Muting keeps the microphone open, so that unmuting is instant; a camera that is off is released, so that
 * its light goes out.
 */
export class LocalMedia {
  readonly #environment: Needs;
  readonly #preferences: Preferences;
  readonly #ear: Ear;
  readonly #unwatch: () => void;
  readonly #wantsAudio = signal(true);
  readonly #wantsVideo = signal(true);
  readonly #microphone = signal<MediaStreamTrack | null>(null);
  readonly #camera = signal<MediaStreamTrack | null>(null);
  readonly #openProblem = signal<DeviceProblem | null>(null);
  readonly #cameraProblem = signal<DeviceProblem | null>(null);
  readonly #asked = signal(false);
  readonly #microphones = signal<Device[]>([]);
  readonly #cameras = signal<Device[]>([]);
  readonly #speakers = signal<Device[]>([]);
  readonly #microphoneId = signal<string | null>(null);
  readonly #cameraId = signal<string | null>(null);
  readonly #speakerId = signal<string | null>(null);
  #size: CaptureSize = captureSize(1);
  #disposed = false;
  /** Devices are opened and released one after the other, however fast somebody clicks. */
  #queue: Promise<void> = Promise.resolve();

  /** The microphone is open and not muted. */
  readonly audioOn = computed(() => this.#wantsAudio.value && this.#microphone.value !== null);
  /** The camera is open. */
  readonly videoOn = computed(() => this.#camera.value !== null);
  /** The camera's picture, for the self-view. */
  readonly stream = computed(() => this.#streamOf(this.#camera.value));
  /** What is sent to the others. */
  readonly tracks = computed<LocalTracks>(() => ({ audio: this.#microphone.value, video: this.#camera.value }));
  /** Why the microphone gives nothing; null while nothing is known to be wrong. */
  readonly microphoneProblem: ReadonlySignal<DeviceProblem | null> = computed(() => this.#openProblem.value ?? (this.#ear.dead.value ? 'silent' : null));

  constructor(environment: Needs, preferences: Preferences) {
    this.#environment = environment;
    this.#preferences = preferences;
    this.#ear = new Ear(environment.openMeter, () => environment.monotonic());
    const choices = preferences.read();
    this.#wantsAudio.value = choices.audio;
    this.#wantsVideo.value = choices.video;
    this.#microphoneId.value = choices.microphoneId;
    this.#cameraId.value = choices.cameraId;
    this.#speakerId.value = choices.speakerId;
    this.#unwatch = environment.devices.watch(() => void this.#list());
  }

  get microphones(): ReadonlySignal<Device[]> {
    return this.#microphones;
  }

  get cameras(): ReadonlySignal<Device[]> {
    return this.#cameras;
  }

  get speakers(): ReadonlySignal<Device[]> {
    return this.#speakers;
  }

  get microphoneId(): ReadonlySignal<string | null> {
    return this.#microphoneId;
  }

  get cameraId(): ReadonlySignal<string | null> {
    return this.#cameraId;
  }

  get speakerId(): ReadonlySignal<string | null> {
    return this.#speakerId;
  }

  /** How loud the microphone is, 0 to 1. */
  get level(): ReadonlySignal<number> {
    return this.#ear.level;
  }

  get speaking(): ReadonlySignal<boolean> {
    return this.#ear.speaking;
  }

  get cameraProblem(): ReadonlySignal<DeviceProblem | null> {
    return this.#cameraProblem;
  }

  /** Whether the browser has been asked for devices, whatever it answered. */
  get asked(): ReadonlySignal<boolean> {
    return this.#asked;
  }

  /** Takes the devices if the user allowed that for good, so that no question is in the way. */
  async askIfGranted(): Promise<void> {
    if (!this.#asked.value && (await this.#environment.devices.granted())) await this.ask();
  }

  /** Asks the browser for the devices. Call it after the page has said why. Never rejects; see the problems. */
  ask(): Promise<void> {
    return this.#next(async () => {
      const { devices } = this.#environment;
      if (this.#wantsVideo.value) {
        const ids = { microphone: this.#microphoneId.value, camera: this.#cameraId.value };
        const { microphone, camera } = await openBoth(devices, ids, this.#size);
        this.#useMicrophone(microphone);
        this.#useCamera(camera);
      } else {
        this.#useMicrophone(await openMicrophone(devices, this.#microphoneId.value));
      }
      this.#asked.value = true;
      await this.#list();
    });
  }

  /** Mutes or unmutes; opens the microphone if need be. */
  setAudio(on: boolean): Promise<void> {
    this.#wantsAudio.value = on;
    this.#preferences.remember({ audio: on });
    const track = this.#microphone.value;
    if (track) track.enabled = on;
    return this.#next(async () => {
      if (this.#wantsAudio.value && !this.#microphone.value) await this.#reopenMicrophone(this.#microphoneId.value);
    });
  }

  /** Opens or releases the camera. */
  setVideo(on: boolean): Promise<void> {
    this.#wantsVideo.value = on;
    this.#preferences.remember({ video: on });
    return this.#next(async () => {
      if (!this.#wantsVideo.value) this.#useCamera({ track: null, problem: null });
      else if (!this.#camera.value) await this.#reopenCamera(this.#cameraId.value);
    });
  }

  chooseMicrophone(id: string): Promise<void> {
    this.#microphoneId.value = id;
    this.#preferences.remember({ microphoneId: id });
    return this.#next(() => this.#reopenMicrophone(id));
  }

  chooseCamera(id: string): Promise<void> {
    this.#cameraId.value = id;
    this.#preferences.remember({ cameraId: id });
    return this.#next(async () => {
      if (this.#wantsVideo.value) await this.#reopenCamera(id);
    });
  }

  chooseSpeaker(id: string): void {
    this.#speakerId.value = id;
    this.#preferences.remember({ speakerId: id });
  }

  playTestSound(): Promise<void> {
    return this.#environment.playTestSound(this.#speakerId.value).catch(() => undefined);
  }

  /** So many people are in the meeting, oneself included: the camera need not give more than their tiles show. */
  fitTo(people: number): void {
    const size = captureSize(people);
    if (size.width === this.#size.width) return;
    this.#size = size;
    const ideal = { width: { ideal: size.width }, height: { ideal: size.height }, frameRate: { ideal: size.frameRate } };
    this.#camera.value?.applyConstraints(ideal).catch(() => undefined);
  }

  /** Releases the devices. */
  dispose(): void {
    this.#disposed = true;
    this.#unwatch();
    this.#ear.dispose();
    this.#useMicrophone({ track: null, problem: null });
    this.#useCamera({ track: null, problem: null });
  }

  #next(action: () => Promise<void>): Promise<void> {
    // One that fails must not keep the next from running.
    this.#queue = this.#queue.then(() => (this.#disposed ? undefined : action())).catch(() => undefined);
    return this.#queue;
  }

  async #reopenMicrophone(id: string | null): Promise<void> {
    this.#useMicrophone(await openMicrophone(this.#environment.devices, id));
    this.#asked.value = true;
    await this.#list();
  }

  async #reopenCamera(id: string | null): Promise<void> {
    this.#useCamera(await openCamera(this.#environment.devices, id, this.#size));
    this.#asked.value = true;
    await this.#list();
  }

  #useMicrophone({ track, problem }: Opened | Released): void {
    this.#openProblem.value = problem;
    // What is in use stays in use when another could not be opened.
    if (problem !== null && this.#microphone.value) return;
    if (!this.#exchange(this.#microphone.value, track, () => this.#onMicrophoneEnded(track))) return;
    if (track) track.enabled = this.#wantsAudio.value;
    this.#microphone.value = track;
    this.#ear.listenTo(track);
    if (track) this.#microphoneId.value = track.getSettings().deviceId ?? this.#microphoneId.value;
  }

  #useCamera({ track, problem }: Opened | Released): void {
    this.#cameraProblem.value = problem;
    if (problem !== null && this.#camera.value) return;
    // The user may have changed their mind while it opened.
    const wanted = this.#wantsVideo.value ? track : null;
    if (track && !wanted) track.stop();
    if (!this.#exchange(this.#camera.value, wanted, () => this.#onCameraEnded(wanted))) return;
    this.#camera.value = wanted;
    if (wanted) this.#cameraId.value = wanted.getSettings().deviceId ?? this.#cameraId.value;
  }

  /** Releases what was in use; false when the new one came too late to be used. */
  #exchange(old: MediaStreamTrack | null, track: MediaStreamTrack | null, ended: () => void): boolean {
    if (this.#disposed && track) {
      track.stop();
      return false;
    }
    if (old && old !== track) {
      old.onended = null;
      old.stop();
    }
    if (track) track.onended = ended;
    return true;
  }

  #onMicrophoneEnded(track: MediaStreamTrack | null): void {
    if (this.#microphone.value !== track) return;
    this.#useMicrophone({ track: null, problem: null });
    void this.#next(() => this.#reopenMicrophone(null));
  }

  #onCameraEnded(track: MediaStreamTrack | null): void {
    if (this.#camera.value !== track) return;
    this.#useCamera({ track: null, problem: null });
    void this.#next(async () => {
      if (this.#wantsVideo.value) await this.#reopenCamera(null);
    });
  }

  async #list(): Promise<void> {
    const { microphones, cameras, speakers } = await listDevices(this.#environment.devices);
    this.#microphones.value = microphones;
    this.#cameras.value = cameras;
    this.#speakers.value = speakers;
  }

  #streamOf(track: MediaStreamTrack | null): MediaStream | null {
    if (!track) return null;
    const stream = this.#environment.rtc.stream();
    stream.addTrack(track);
    return stream;
  }
}

/** A device that was released on purpose. */
interface Released {
  readonly track: null;
  readonly problem: null;
}
