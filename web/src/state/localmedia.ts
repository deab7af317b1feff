import type { ReadonlySignal } from '@preact/signals';
import type { Device, DeviceProblem } from '../media/types';

export type { Device, DeviceProblem } from '../media/types';

export declare class LocalMedia {
  readonly audioOn: ReadonlySignal<boolean>;
  readonly videoOn: ReadonlySignal<boolean>;
  readonly microphones: ReadonlySignal<Device[]>;
  readonly cameras: ReadonlySignal<Device[]>;
  readonly speakers: ReadonlySignal<Device[]>;
  readonly microphoneId: ReadonlySignal<string | null>;
  readonly cameraId: ReadonlySignal<string | null>;
  readonly speakerId: ReadonlySignal<string | null>;
  readonly stream: ReadonlySignal<MediaStream | null>;
  readonly level: ReadonlySignal<number>;
  readonly microphoneProblem: ReadonlySignal<DeviceProblem | null>;
  readonly cameraProblem: ReadonlySignal<DeviceProblem | null>;
  readonly asked: ReadonlySignal<boolean>;
  ask(): Promise<void>;
  setAudio(on: boolean): Promise<void>;
  setVideo(on: boolean): Promise<void>;
  chooseMicrophone(id: string): Promise<void>;
  chooseCamera(id: string): Promise<void>;
  chooseSpeaker(id: string): void;
  playTestSound(): Promise<void>;
  dispose(): void;
}
