import { computed, effect, signal, untracked, type ReadonlySignal } from '@preact/signals';
import { listDevices, openBoth, openCamera, openMicrophone } from '../media/devices';
import { captureSize, type CaptureSize } from '../media/quality';
import type { LocalTracks } from '../media/rtc';
import type { Device, DeviceProblem } from '../media/types';
import { Capture } from './capture';
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
  readonly #stops: (() => void)[];
  readonly #microphone: Capture;
  readonly #camera: Capture;
  readonly #asked = signal(false);
  readonly #microphones = signal<Device[]>([]);
  readonly #cameras = signal<Device[]>([]);
  readonly #speakers = signal<Device[]>([]);
  readonly #speakerId = signal<string | null>(null);
  #size: CaptureSize = captureSize(1);
  #disposed = false;
  /** Devices are opened one after the other, however fast somebody clicks. */
  #queue: Promise<void> = Promise.resolve();

  /** The camera's picture, for the self-view. */
  readonly stream = computed(() => this.#streamOf(this.#camera.track.value));
  /** What is sent to the others. */
  readonly tracks = computed<LocalTracks>(() => ({ audio: this.#microphone.track.value, video: this.#camera.track.value }));
  /** Why the microphone gives nothing; null while nothing is known to be wrong. */
  readonly microphoneProblem: ReadonlySignal<DeviceProblem | null> = computed(
    () => this.#microphone.problem.value ?? (this.#ear.dead.value ? 'silent' : null),
  );
  /** Which device stopped working while it was on, without anybody having touched it here. Its problem says why. */
  readonly alarm: ReadonlySignal<'microphone' | 'camera' | null> = computed(() => {
    if (this.#microphone.lost.value || this.microphoneProblem.value === 'silent') return 'microphone';
    return this.#camera.lost.value ? 'camera' : null;
  });

  constructor(environment: Needs, preferences: Preferences) {
    const { devices } = environment;
    this.#environment = environment;
    this.#preferences = preferences;
    this.#ear = new Ear(environment.openMeter, () => environment.monotonic());
    const { audio, video, microphoneId, cameraId, speakerId } = preferences.read();
    this.#microphone = new Capture(
      { open: (id) => openMicrophone(devices, id), keptWhileOff: true, ended: () => this.#replace(this.#microphone) },
      audio,
      microphoneId,
    );
    this.#camera = new Capture(
      { open: (id) => openCamera(devices, id, this.#size), keptWhileOff: false, ended: () => this.#replace(this.#camera) },
      video,
      cameraId,
    );
    this.#speakerId.value = speakerId;
    this.#stops = [
      devices.watch(() => this.#onDevicesChanged()),
      effect(() => {
        const track = this.#microphone.track.value;
        untracked(() => this.#ear.listenTo(track));
      }),
    ];
  }

  /** The microphone is open and not muted. */
  get audioOn(): ReadonlySignal<boolean> {
    return this.#microphone.on;
  }

  /** The camera is open. */
  get videoOn(): ReadonlySignal<boolean> {
    return this.#camera.on;
  }

  /** The microphone is on or about to be: the browser may still be asking. What a switch turns over. */
  get wantsAudio(): ReadonlySignal<boolean> {
    return this.#microphone.wanted;
  }

  /** The same for the camera. */
  get wantsVideo(): ReadonlySignal<boolean> {
    return this.#camera.wanted;
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
    return this.#microphone.id;
  }

  get cameraId(): ReadonlySignal<string | null> {
    return this.#camera.id;
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
    return this.#camera.problem;
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
    return this.#opening([this.#microphone, this.#camera], async () => {
      if (!this.#camera.wish) return void (await this.#microphone.open(this.#microphone.id.peek()));
      const ids = { microphone: this.#microphone.id.peek(), camera: this.#camera.id.peek() };
      const { microphone, camera } = await openBoth(this.#environment.devices, ids, this.#size);
      this.#microphone.take(microphone);
      this.#camera.take(camera);
    });
  }

  /** Mutes or unmutes; opens the microphone if need be. */
  setAudio(on: boolean): Promise<void> {
    this.#preferences.remember({ audio: on });
    return this.#switch(this.#microphone, on);
  }

  /** Opens or releases the camera. */
  setVideo(on: boolean): Promise<void> {
    this.#preferences.remember({ video: on });
    return this.#switch(this.#camera, on);
  }

  async chooseMicrophone(id: string): Promise<void> {
    await this.#opening([this.#microphone], async () => {
      if (await this.#microphone.open(id)) this.#preferences.remember({ microphoneId: id });
    });
  }

  async chooseCamera(id: string): Promise<void> {
    if (!this.#camera.wish) {
      this.#camera.prefer(id);
      return this.#preferences.remember({ cameraId: id });
    }
    await this.#opening([this.#camera], async () => {
      if (this.#camera.wish && (await this.#camera.open(id))) this.#preferences.remember({ cameraId: id });
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
    this.#camera.track.value?.applyConstraints(ideal).catch(() => undefined);
  }

  /** Releases the devices. */
  dispose(): void {
    this.#disposed = true;
    this.#stops.forEach((stop) => stop());
    this.#ear.dispose();
    this.#microphone.dispose();
    this.#camera.dispose();
  }

  async #switch(capture: Capture, on: boolean): Promise<void> {
    capture.want(on);
    if (!on || capture.track.peek()) return;
    await this.#opening([capture], async () => {
      if (capture.wish && !capture.track.peek()) await capture.open(capture.id.peek());
    });
  }

  /** The device in use is gone: another one may do. */
  #replace(capture: Capture): void {
    void this.#opening([capture], async () => {
      // A microphone is kept ready while it is muted.
      if (capture.wish || capture === this.#microphone) await capture.open(null);
      capture.missed();
    });
  }

  #onDevicesChanged(): void {
    void this.#list();
    for (const capture of [this.#microphone, this.#camera]) {
      // Only what was on before: nobody who went without a device goes on air because one was plugged in.
      if (capture.lost.peek()) void this.#switch(capture, true);
    }
  }

  /** Runs after what was begun before. Meanwhile these devices count as about to be on. */
  #opening(captures: readonly Capture[], action: () => Promise<void>): Promise<void> {
    const arrived = captures.map((capture) => capture.expect());
    const run = async (): Promise<void> => {
      try {
        if (this.#disposed) return;
        await action();
      } finally {
        arrived.forEach((one) => one());
      }
      this.#asked.value = true;
      await this.#list();
    };
    // One that fails must not keep the next from running.
    this.#queue = this.#queue.then(run).catch(() => undefined);
    return this.#queue;
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
