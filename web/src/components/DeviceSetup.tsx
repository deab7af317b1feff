import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useId } from 'preact/hooks';
import { t } from '../i18n';
import type { LocalMedia } from '../state/localmedia';
import { cameraGroup, CameraSwitch, DeviceNote, LevelBar, microphoneGroup, MicrophoneSwitch } from './Devices';
import { CameraOffIcon, SpeakerIcon } from './icons';
import { Picture } from './media';

/** How one will be seen and heard: the mirror, the switches, and what stands in the way. */
export function DeviceSetup({ local }: { local: LocalMedia }): JSX.Element {
  const without = useSignal(false);
  const asking = !local.asked.value && !without.value;
  const ask = (): Promise<void> => local.ask();
  const { microphoneProblem, cameraProblem } = local;
  return (
    <div class="stack">
      <div class="preview">
        {asking ? (
          <Asking
            ask={ask}
            skip={() => {
              without.value = true;
            }}
          />
        ) : (
          <Mirror local={local} />
        )}
      </div>
      {!asking && (
        <div class="device-bar">
          <MicrophoneSwitch on={local.audioOn} toggle={() => void local.setAudio(!local.wantsAudio.peek())} groups={[microphoneGroup(local)]} />
          <CameraSwitch on={local.videoOn} toggle={() => void local.setVideo(!local.wantsVideo.peek())} groups={[cameraGroup(local)]} />
          <LevelBar level={local.level} />
        </div>
      )}
      <div class="stack tight" aria-live="polite">
        {microphoneProblem.value && <DeviceNote kind="microphone" problem={microphoneProblem.value} again={() => void ask()} />}
        {cameraProblem.value && <DeviceNote kind="camera" problem={cameraProblem.value} again={() => void ask()} />}
      </div>
    </div>
  );
}

function Asking({ ask, skip }: { ask: () => Promise<void>; skip: () => void }): JSX.Element {
  const waiting = useSignal(false);
  const allow = async (): Promise<void> => {
    waiting.value = true;
    await ask();
    waiting.value = false;
  };
  return (
    <div class="asking">
      <p>{t('prejoin.why')}</p>
      <div class="buttons">
        <button type="button" class="button primary" disabled={waiting.value} onClick={() => void allow()}>
          {t(waiting.value ? 'prejoin.answer' : 'prejoin.allow')}
        </button>
        <button type="button" class="button plain" onClick={skip}>
          {t('prejoin.without')}
        </button>
      </div>
    </div>
  );
}

function Mirror({ local }: { local: LocalMedia }): JSX.Element {
  const stream = local.stream.value;
  const shown = local.videoOn.value && stream !== null;
  return (
    <>
      <Picture stream={stream} shown={shown} mirrored label={t('prejoin.selfView')} />
      {!shown && (
        <div class="state">
          <CameraOffIcon />
          <span>{t('prejoin.cameraOff')}</span>
        </div>
      )}
    </>
  );
}

/** Where the others' sound comes out, and a way to hear it before. */
export function Speaker({ local }: { local: LocalMedia }): JSX.Element {
  const id = useId();
  const speakers = local.speakers.value;
  return (
    <div class="speaker-row">
      {speakers.length > 0 && (
        <div class="field">
          <label for={id}>{t('prejoin.speaker')}</label>
          <select
            id={id}
            class="select"
            value={local.speakerId.value ?? speakers[0]?.id}
            onChange={(event) => local.chooseSpeaker(event.currentTarget.value)}
          >
            {speakers.map((speaker, index) => (
              <option key={speaker.id} value={speaker.id}>
                {speaker.label || t('device.unnamedSpeaker', { number: index + 1 })}
              </option>
            ))}
          </select>
        </div>
      )}
      <button type="button" class="button" onClick={() => void local.playTestSound()}>
        <SpeakerIcon />
        <span>{t('prejoin.testSound')}</span>
      </button>
    </div>
  );
}
