import type { ReadonlySignal } from '@preact/signals';
import type { JSX } from 'preact';
import { type Key, t } from '../i18n';
import type { Device, DeviceProblem, LocalMedia } from '../state/localmedia';
import { CameraIcon, CameraOffIcon, ChevronIcon, MicrophoneIcon, MicrophoneOffIcon, WarningIcon } from './icons';
import { Menu, type MenuGroup } from './Menu';

/** The microphones to choose from, as a group of a menu. */
export function microphoneGroup(local: LocalMedia): MenuGroup {
  const choose = (id: string): void => void local.chooseMicrophone(id);
  return group(t('device.microphone'), local.microphones.value, local.microphoneId.value, (number) => t('device.unnamedMicrophone', { number }), choose);
}

/** The cameras to choose from. */
export function cameraGroup(local: LocalMedia): MenuGroup {
  const choose = (id: string): void => void local.chooseCamera(id);
  return group(t('device.camera'), local.cameras.value, local.cameraId.value, (number) => t('device.unnamedCamera', { number }), choose);
}

/** The speakers to choose from; empty where the browser leaves that to the system. */
export function speakerGroup(local: LocalMedia): MenuGroup {
  const choose = (id: string): void => local.chooseSpeaker(id);
  return group(t('prejoin.speaker'), local.speakers.value, local.speakerId.value, (number) => t('device.unnamedSpeaker', { number }), choose);
}

function group(title: string, devices: readonly Device[], chosen: string | null, unnamed: (number: number) => string, choose: (id: string) => void): MenuGroup {
  const items = devices.map((device, index) => ({
    key: device.id,
    label: device.label || unnamed(index + 1),
    chosen: device.id === chosen,
    onSelect: () => choose(device.id),
  }));
  return { title, items };
}

interface SwitchProperties {
  on: ReadonlySignal<boolean>;
  toggle: () => void;
  /** Null where there is no room for the menu of devices. */
  groups: readonly MenuGroup[] | null;
}

export function MicrophoneSwitch(properties: SwitchProperties): JSX.Element {
  const icon = properties.on.value ? <MicrophoneIcon /> : <MicrophoneOffIcon />;
  return <Switch {...properties} icon={icon} label={t(properties.on.value ? 'bar.mute' : 'bar.unmute')} choose={t('device.chooseMicrophone')} />;
}

export function CameraSwitch(properties: SwitchProperties): JSX.Element {
  const icon = properties.on.value ? <CameraIcon /> : <CameraOffIcon />;
  return <Switch {...properties} icon={icon} label={t(properties.on.value ? 'bar.cameraOff' : 'bar.cameraOn')} choose={t('device.chooseCamera')} />;
}

/** The icon shows how it is; the label says what a click does. */
function Switch({ on, toggle, groups, icon, label, choose }: SwitchProperties & { icon: JSX.Element; label: string; choose: string }): JSX.Element {
  const off = !on.value;
  const filled = groups?.filter((each) => each.items.length > 0) ?? [];
  const button = (look: string): JSX.Element => (
    <button type="button" class={look} data-off={off} aria-pressed={on.value} aria-label={label} title={label} onClick={toggle}>
      {icon}
    </button>
  );
  if (filled.length === 0) return button('round');
  return (
    <div class="split" data-off={off}>
      {button('')}
      <Menu label={choose} look="chevron" groups={filled} place="above start">
        <ChevronIcon />
      </Menu>
    </div>
  );
}

/** Why a device can't be used, in words, and what to do. */
export function DeviceNote({ kind, problem, again }: { kind: 'microphone' | 'camera'; problem: DeviceProblem; again: () => void }): JSX.Element {
  const key: Key = `problem.${kind}.${problem}`;
  const retry = problem !== 'insecure' && problem !== 'silent';
  return (
    <div class="note warn">
      <WarningIcon />
      <div class="stack tight">
        <span>{t(key)}</span>
        {retry && (
          <div>
            <button type="button" class="button" onClick={again}>
              {t('app.tryAgain')}
            </button>
          </div>
        )}
      </div>
    </div>
  );
}

/** How loud the microphone is at the moment. */
export function LevelBar({ level }: { level: ReadonlySignal<number> }): JSX.Element {
  const share = Math.min(1, Math.max(0, level.value));
  return (
    <div class="level">
      <MicrophoneIcon />
      <div class="level-track" role="meter" aria-label={t('prejoin.level')} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)}>
        <div class="level-fill" style={{ transform: `scaleX(${share.toFixed(3)})` }} />
      </div>
    </div>
  );
}
