import { type Signal, useSignal, useSignalEffect } from '@preact/signals';
import type { JSX } from 'preact';
import { t } from '../i18n';
import type { LocalMedia } from '../state/localmedia';
import type { Room } from '../state/room';
import { DeviceNote } from './Devices';
import { CloseIcon } from './icons';

/** The switches of a meeting, and which of them could not do what was asked. */
export interface Switches {
  readonly trouble: Signal<'microphone' | 'camera' | null>;
  microphone(): Promise<void>;
  camera(): Promise<void>;
  /** Opens the microphone while a key is held. */
  talk(down: boolean): Promise<void>;
}

/**
 * Whoever joined without a device and still does is not reminded of it; only a switch that fails has something to say, and a
 * device that stops working while it is on.
 */
export function useSwitches(room: Room): Switches {
  const trouble = useSignal<'microphone' | 'camera' | null>(null);
  const { local } = room;
  useSignalEffect(() => {
    if (local.alarm.value) trouble.value = local.alarm.value;
  });
  const tellMicrophone = (wanted: boolean): void => {
    if (wanted && !local.audioOn.peek() && local.microphoneProblem.peek()) trouble.value = 'microphone';
  };
  return {
    trouble,
    async microphone() {
      trouble.value = null;
      const wanted = !local.wantsAudio.peek();
      await room.toggleMicrophone();
      tellMicrophone(wanted);
    },
    async camera() {
      trouble.value = null;
      const wanted = !local.wantsVideo.peek();
      await room.toggleCamera();
      if (wanted && !local.videoOn.peek() && local.cameraProblem.peek()) trouble.value = 'camera';
    },
    async talk(down) {
      await room.talk(down);
      tellMicrophone(down);
    },
  };
}

/** Why a switch could not do what was asked, until it is put away or tried again. */
export function DeviceTrouble({ local, switches }: { local: LocalMedia; switches: Switches }): JSX.Element {
  const kind = switches.trouble.value;
  const problem = (kind === 'microphone' ? local.microphoneProblem : local.cameraProblem).value;
  return (
    <div role="alert">
      {kind && problem && (
        <div class="trouble">
          <DeviceNote kind={kind} problem={problem} again={() => void switches[kind]()} />
          <button
            type="button"
            class="button plain square"
            aria-label={t('app.close')}
            title={t('app.close')}
            onClick={() => {
              switches.trouble.value = null;
            }}
          >
            <CloseIcon />
          </button>
        </div>
      )}
    </div>
  );
}
