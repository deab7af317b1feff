import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { failure, type FakeTrack } from '../../tests/fakes/FakeDevices';
import { FakeEnvironment } from '../../tests/fakes/FakeEnvironment';
import { LocalMedia } from './localmedia';
import { Preferences } from './preferences';

let environment: FakeEnvironment;
let local: LocalMedia;

beforeEach(() => {
  vi.useFakeTimers();
  environment = new FakeEnvironment();
  local = create();
});

afterEach(() => {
  local.dispose();
  vi.useRealTimers();
});

function create(): LocalMedia {
  return new LocalMedia(environment, new Preferences(environment.remembered));
}

const on = (): boolean[] => [local.audioOn.value, local.videoOn.value];

describe('devices', () => {
  it('are asked for with one question and shown by name', async () => {
    await local.ask();
    expect(environment.devices.requests).toHaveLength(1);
    expect(environment.devices.requests[0]?.video).toMatchObject({ width: { ideal: 1280 }, height: { ideal: 720 } });
    expect(on()).toEqual([true, true]);
    expect(local.asked.value).toBe(true);
    expect(local.cameras.value.map(({ label }) => label)).toEqual(['the cam-1', 'the cam-2']);
    expect([local.microphoneId.value, local.cameraId.value]).toEqual(['mic-1', 'cam-1']);
    expect(local.stream.value?.getVideoTracks()).toHaveLength(1);
  });

  it('are taken without a question only where the user allowed it for good', async () => {
    await local.askIfGranted();
    expect(local.asked.value).toBe(false);
    environment.devices.allowedForGood = true;
    await local.askIfGranted();
    expect(on()).toEqual([true, true]);
  });

  it('leave the microphone when there is no camera, and the other way round', async () => {
    environment.devices.cameras = [];
    await local.ask();
    expect(on()).toEqual([true, false]);
    expect([local.microphoneProblem.value, local.cameraProblem.value]).toEqual([null, 'notFound']);
    local.dispose();
    environment.devices.cameras = ['cam-1'];
    environment.devices.microphones = [];
    local = create();
    await local.ask();
    expect(on()).toEqual([false, true]);
    expect([local.microphoneProblem.value, local.cameraProblem.value]).toEqual(['notFound', null]);
  });

  it.each([
    [failure('NotAllowedError', 'Permission denied'), 'refused'],
    [failure('NotAllowedError', 'Permission denied by system'), 'refusedBySystem'],
    [failure('NotFoundError', 'Requested device not found'), 'notFound'],
    [failure('NotReadableError', 'Could not start video source'), 'inUse'],
    [failure('SecurityError'), 'insecure'],
    [failure('SomethingNew'), 'unknown'],
  ])('tell in their own word why they fail: %s', async (error, problem) => {
    environment.devices.audioError = error;
    environment.devices.videoError = error;
    await local.ask();
    expect(on()).toEqual([false, false]);
    expect([local.microphoneProblem.value, local.cameraProblem.value]).toEqual([problem, problem]);
    expect(local.asked.value).toBe(true);
  });

  it('are not asked for again right after the question was closed', async () => {
    environment.devices.audioError = failure('NotAllowedError', 'Permission dismissed');
    await local.ask();
    expect(environment.devices.requests).toHaveLength(1);
    expect(local.cameraProblem.value).toBe('refused');
  });

  it('are out of reach on a page that is not secure', async () => {
    environment.devices.available = false;
    await local.ask();
    expect(local.microphoneProblem.value).toBe('insecure');
    expect(environment.devices.requests).toEqual([]);
  });

  it('are found again under the choice of last time, and replaced when that one is gone', async () => {
    await local.ask();
    await local.chooseCamera('cam-2');
    expect(environment.devices.live('video').map(({ deviceId }) => deviceId)).toEqual(['cam-2']);
    local.dispose();
    local = create();
    await local.ask();
    expect(local.cameraId.value).toBe('cam-2');
    local.dispose();
    environment.devices.cameras = ['cam-1'];
    local = create();
    await local.ask();
    expect(local.cameraId.value).toBe('cam-1');
  });

  it('keep what works when another can not be opened, and its choice', async () => {
    await local.ask();
    environment.devices.busy.add('cam-2');
    environment.devices.busy.add('mic-2');
    await local.chooseCamera('cam-2');
    await local.chooseMicrophone('mic-2');
    expect([local.microphoneProblem.value, local.cameraProblem.value]).toEqual(['inUse', 'inUse']);
    expect(on()).toEqual([true, true]);
    expect([local.microphoneId.value, local.cameraId.value]).toEqual(['mic-1', 'cam-1']);
    expect(new Preferences(environment.remembered).read()).toMatchObject({ microphoneId: null, cameraId: null });
  });

  it('change places where only one camera can run at a time', async () => {
    await local.ask();
    environment.devices.oneCameraAtATime = true;
    await local.chooseCamera('cam-2');
    expect([local.cameraProblem.value, local.cameraId.value]).toEqual([null, 'cam-2']);
    expect(environment.devices.live('video').map(({ deviceId }) => deviceId)).toEqual(['cam-2']);
    environment.devices.busy.add('cam-1');
    await local.chooseCamera('cam-1');
    expect([local.cameraProblem.value, local.cameraId.value, local.videoOn.value]).toEqual(['inUse', 'cam-2', true]);
  });

  it('give way to another when pulled out', async () => {
    await local.ask();
    environment.devices.microphones = ['mic-2'];
    environment.devices.live('audio')[0]?.pullOut();
    expect(local.audioOn.value).toBe(false);
    await vi.advanceTimersByTimeAsync(0);
    expect([local.audioOn.value, local.microphoneId.value]).toEqual([true, 'mic-2']);
  });

  it('raise an alarm when one that was on goes away and nothing takes its place, and come back with it', async () => {
    await local.ask();
    environment.devices.microphones = [];
    environment.devices.live('audio')[0]?.pullOut();
    await vi.advanceTimersByTimeAsync(0);
    expect([local.alarm.value, local.microphoneProblem.value, local.wantsAudio.value]).toEqual(['microphone', 'notFound', false]);
    environment.devices.microphones = ['mic-3'];
    environment.devices.change();
    await vi.advanceTimersByTimeAsync(0);
    expect([local.alarm.value, local.audioOn.value, local.microphoneId.value]).toEqual([null, true, 'mic-3']);
  });

  it('stay away when plugged in by somebody who goes without', async () => {
    environment.devices.cameras = [];
    await local.ask();
    environment.devices.cameras = ['cam-1'];
    environment.devices.change();
    await vi.advanceTimersByTimeAsync(0);
    expect([local.alarm.value, local.videoOn.value]).toEqual([null, false]);
  });

  it('show up in the lists when plugged in', async () => {
    await local.ask();
    environment.devices.cameras.push('cam-3');
    environment.devices.change();
    await vi.advanceTimersByTimeAsync(0);
    expect(local.cameras.value).toHaveLength(3);
  });
});

describe('switching', () => {
  it('mutes without releasing the microphone', async () => {
    await local.ask();
    await local.setAudio(false);
    const [track] = environment.devices.live('audio');
    expect([local.audioOn.value, track?.enabled]).toEqual([false, false]);
    await local.setAudio(true);
    expect([local.audioOn.value, track?.enabled]).toEqual([true, true]);
    expect(environment.devices.requests).toHaveLength(1);
  });

  it('releases the camera, and opens it anew', async () => {
    await local.ask();
    await local.setVideo(false);
    expect(environment.devices.live('video')).toEqual([]);
    expect([local.stream.value, local.tracks.value.video]).toEqual([null, null]);
    await local.setVideo(true);
    expect(environment.devices.live('video')).toHaveLength(1);
  });

  it('ends where the last click wanted it, however fast the clicks came', async () => {
    await local.ask();
    for (const want of [false, true, false, true, false]) void local.setVideo(want);
    await vi.advanceTimersByTimeAsync(10);
    expect(environment.devices.live('video')).toEqual([]);
    for (const want of [true, false, true]) void local.setVideo(want);
    await vi.advanceTimersByTimeAsync(10);
    expect(environment.devices.live('video')).toHaveLength(1);
  });

  it('releases a camera that was wished away while it opened', async () => {
    await local.ask();
    await local.setVideo(false);
    const opening = local.setVideo(true);
    await Promise.resolve();
    await Promise.resolve();
    expect(environment.devices.requests).toHaveLength(2);
    void local.setVideo(false);
    await opening;
    await vi.advanceTimersByTimeAsync(10);
    expect(environment.devices.live('video')).toEqual([]);
  });

  it('counts as wanted while it opens, and as off when it was never asked for or failed', async () => {
    expect([local.wantsAudio.value, local.wantsVideo.value]).toEqual([false, false]);
    const asking = local.ask();
    expect([local.wantsAudio.value, local.wantsVideo.value, ...on()]).toEqual([true, true, false, false]);
    await asking;
    await local.setVideo(false);
    environment.devices.videoError = failure('NotReadableError');
    await local.setVideo(true);
    expect([local.wantsVideo.value, local.cameraProblem.value]).toEqual([false, 'inUse']);
  });

  it('releases the camera at once, also while the browser asks for something else', async () => {
    await local.ask();
    const choosing = local.chooseMicrophone('mic-2');
    void local.setVideo(false);
    expect(environment.devices.live('video')).toEqual([]);
    await choosing;
  });

  it('does not open a camera that was wished away before', async () => {
    await local.setVideo(false);
    await local.ask();
    expect(on()).toEqual([true, false]);
    expect(environment.devices.requests[0]?.video).toBeUndefined();
  });

  it('is remembered for the next meeting', async () => {
    await local.ask();
    await local.setAudio(false);
    local.dispose();
    local = create();
    await local.ask();
    expect(on()).toEqual([false, true]);
    expect((local.tracks.value.audio as unknown as FakeTrack).enabled).toBe(false);
  });

  it('tries a device again that failed before', async () => {
    environment.devices.audioError = failure('NotReadableError');
    await local.ask();
    environment.devices.audioError = null;
    await local.setAudio(true);
    expect([local.audioOn.value, local.microphoneProblem.value]).toEqual([true, null]);
  });

  it('releases everything in the end, also what opens too late', async () => {
    await local.ask();
    const opening = local.chooseCamera('cam-2');
    await Promise.resolve();
    local.dispose();
    await opening;
    expect(environment.devices.tracks.filter(({ readyState }) => readyState === 'live')).toEqual([]);
  });
});

describe('listening', () => {
  it('shows how loud the microphone is, and nothing while it is muted', async () => {
    environment.loudness = 0.3;
    await local.ask();
    await vi.advanceTimersByTimeAsync(200);
    expect([local.level.value, local.speaking.value]).toEqual([0.3, true]);
    await local.setAudio(false);
    await vi.advanceTimersByTimeAsync(200);
    expect([local.level.value, local.speaking.value]).toEqual([0, false]);
  });

  it('notices a dead microphone, but not a quiet, muted or unmeasured one', async () => {
    await local.ask();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(local.microphoneProblem.value).toBeNull();
    environment.loudness = null;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(local.microphoneProblem.value).toBeNull();
    environment.loudness = 0;
    await vi.advanceTimersByTimeAsync(10_000);
    expect([local.microphoneProblem.value, local.alarm.value]).toEqual(['silent', 'microphone']);
    environment.loudness = 0.1;
    await vi.advanceTimersByTimeAsync(200);
    expect(local.microphoneProblem.value).toBeNull();
    environment.loudness = 0;
    await local.setAudio(false);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(local.microphoneProblem.value).toBeNull();
  });
});
