import { expect } from '@playwright/test';
import { BAR_TOP_ROW, type Colour } from './media';
import { PATIENCE_MS, type Person } from './people';

/** Compression and colour conversion blur; the nearest two colours of the six are 255 apart in one channel. */
const COLOUR_TOLERANCE = 70;
/** Two neighbouring voices are at least 25 % apart; one step of the spectrum is 6 Hz. */
const PITCH_TOLERANCE = 0.03;
/** Softer than this is silence. A voice arrives at -30 to -50 dB after the browser's own processing. */
const SILENCE_DB = -85;

const LOOK_FOR_MS = 600;
const LISTEN_FOR_MS = 1_500;

interface Glimpse {
  readonly frames: number;
  /** The pixel in the middle; null when the element has no picture at all. */
  readonly centre: Colour | null;
  /** The brightness along the bottom of the picture, where the bar moves. */
  readonly bottom: readonly number[];
  readonly shown: boolean;
}

interface Sound {
  /** The loudest pitch of the loudest moment, and how loud it was. */
  readonly hertz: number;
  readonly decibels: number;
  readonly playing: boolean;
}

/** The other one's picture is on this person's screen, has the other one's colour, and moves. */
export async function expectToSee(person: Person, other: Person, timeout = PATIENCE_MS): Promise<void> {
  await expect(async () => {
    const before = await glimpse(person, other);
    await person.page.waitForTimeout(LOOK_FOR_MS);
    const after = await glimpse(person, other);
    const what = `${person.name} looks at ${other.name}`;
    expect(after.shown, `${what}: the picture is on the screen`).toBe(true);
    expect(after.centre, `${what}: there is a picture`).not.toBeNull();
    expect(distance(after.centre, other.voice.colour), `${what}: ${after.centre} is the colour`).toBeLessThan(COLOUR_TOLERANCE);
    expect(after.frames, `${what}: frames arrive`).toBeGreaterThan(before.frames);
    expect(after.bottom, `${what}: the picture moves`).not.toEqual(before.bottom);
  }).toPass({ timeout, intervals: [250] });
}

/** The other one's picture is not on the screen, and none is sent either. */
export async function expectNoPicture(person: Person, other: Person, timeout = PATIENCE_MS): Promise<void> {
  await expect(async () => {
    const before = await framesReceived(person, other);
    await person.page.waitForTimeout(LOOK_FOR_MS);
    const after = await framesReceived(person, other);
    const what = `${person.name} looks at ${other.name}, whose camera is off`;
    expect((await glimpse(person, other)).shown, `${what}: the picture is hidden`).toBe(false);
    expect(after - before, `${what}: pictures still arrive`).toBe(0);
    expect(await picturesSent(other), `${what}: a camera's pictures are still sent`).toBe(0);
  }).toPass({ timeout, intervals: [250] });
}

/** The other one's sound arrives, at the other one's pitch, and is played. */
export async function expectToHear(person: Person, other: Person, timeout = PATIENCE_MS): Promise<void> {
  await expect(async () => {
    const sound = await listen(person, other);
    const what = `${person.name} listens to ${other.name}`;
    expect(sound.playing, `${what}: the sound is played`).toBe(true);
    expect(sound.decibels, `${what}: it is loud enough`).toBeGreaterThan(SILENCE_DB);
    const off = Math.abs(sound.hertz - other.voice.hertz) / other.voice.hertz;
    expect(off, `${what}: ${sound.hertz} Hz is the tone of ${other.voice.hertz} Hz`).toBeLessThan(PITCH_TOLERANCE);
  }).toPass({ timeout, intervals: [100] });
}

/** Nothing is to be heard of the other one. */
export async function expectSilence(person: Person, other: Person, timeout = PATIENCE_MS): Promise<void> {
  await expect(async () => {
    const sound = await listen(person, other);
    expect(sound.decibels, `${person.name} listens to ${other.name}, who is mute: loudest at ${sound.hertz} Hz`).toBeLessThan(SILENCE_DB);
  }).toPass({ timeout, intervals: [100] });
}

/** Each of them sees and hears each other one. One after the other looks round, so that not all pages measure at once. */
export async function expectAllToMeet(people: readonly Person[], timeout = PATIENCE_MS): Promise<void> {
  for (const person of people) {
    const others = people.filter((other) => other !== person);
    await Promise.all(others.map((other) => expectToSee(person, other, timeout)));
    await Promise.all(others.map((other) => expectToHear(person, other, timeout)));
  }
}

/** How many pictures of the other one have been shown so far. */
export async function framesShown(person: Person, other: Person): Promise<number> {
  return (await glimpse(person, other)).frames;
}

/** How many pictures of the other one have come over the network, shown or not. */
async function framesReceived(person: Person, other: Person): Promise<number> {
  return person.tile(other).evaluate(async (tile) => {
    const stream = tile.querySelector('audio')?.srcObject;
    if (!(stream instanceof MediaStream)) throw new Error('nothing of the other one is played');
    const heard = stream.getAudioTracks();
    const theirs = window.probe.connections.find((connection) => connection.getReceivers().some(({ track }) => heard.includes(track)));
    if (theirs === undefined) throw new Error('what is played came over no connection');
    let frames = 0;
    for (const report of (await theirs.getStats()).values()) {
      if (report.type === 'inbound-rtp' && report.kind === 'video') frames += report.framesReceived ?? 0;
    }
    return frames;
  });
}

/** Over how many connections this person's page sends pictures. */
async function picturesSent(person: Person): Promise<number> {
  return person.page.evaluate(() => {
    const open = window.probe.connections.filter((connection) => connection.connectionState !== 'closed');
    const tracks = open.flatMap((connection) => connection.getSenders().map(({ track }) => track));
    return tracks.filter((track) => track?.kind === 'video' && track.readyState === 'live' && track.enabled).length;
  });
}

async function glimpse(person: Person, other: Person): Promise<Glimpse> {
  return person.tile(other).evaluate((tile, barTopRow): Glimpse => {
    const video = tile.querySelector('video');
    const shown = video?.checkVisibility({ opacityProperty: true, visibilityProperty: true }) ?? false;
    const frames = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
    if (video === null || video.videoWidth === 0) return { frames, centre: null, bottom: [], shown };
    // The network may have made the picture smaller; on this canvas the rows are those of the camera again.
    const canvas = new OffscreenCanvas(320, 180);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) throw new Error('no canvas');
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const [red = 0, green = 0, blue = 0] = context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
    const row = context.getImageData(0, (barTopRow + canvas.height) / 2, canvas.width, 1).data;
    const bottom: number[] = [];
    for (let x = 8; x < canvas.width; x += 16) bottom.push(Math.min(row[4 * x] ?? 0, row[4 * x + 1] ?? 0, row[4 * x + 2] ?? 0) > 128 ? 1 : 0);
    return { frames, centre: [red, green, blue], bottom, shown };
  }, BAR_TOP_ROW);
}

async function listen(person: Person, other: Person): Promise<Sound> {
  return person.tile(other).evaluate(async (tile, milliseconds): Promise<Sound> => {
    const silence = { hertz: 0, decibels: -200 };
    const audio = tile.querySelector('audio');
    const stream = audio?.srcObject;
    const track = stream instanceof MediaStream ? stream.getAudioTracks()[0] : undefined;
    if (audio === null || track === undefined) return { ...silence, playing: false };
    const playing = !audio.paused && !audio.muted && audio.volume > 0;

    window.probe.ear ??= new AudioContext();
    const ear = window.probe.ear;
    await ear.resume();
    let analyser = window.probe.ears.get(track.id);
    if (analyser === undefined) {
      analyser = ear.createAnalyser();
      analyser.fftSize = 8192;
      analyser.smoothingTimeConstant = 0;
      ear.createMediaStreamSource(new MediaStream([track])).connect(analyser);
      window.probe.ears.set(track.id, analyser);
      // The analyser's window has to fill with sound first.
      await new Promise((wake) => setTimeout(wake, 300));
    }
    let loudest = silence;
    const spectrum = new Float32Array(analyser.frequencyBinCount);
    for (const end = performance.now() + milliseconds; performance.now() < end; ) {
      analyser.getFloatFrequencyData(spectrum);
      spectrum.forEach((decibels, bin) => {
        const hertz = (bin * ear.sampleRate) / 8192;
        if (hertz > 100 && decibels > loudest.decibels) loudest = { hertz, decibels };
      });
      await new Promise((wake) => setTimeout(wake, 100));
    }
    return { ...loudest, playing };
  }, LISTEN_FOR_MS);
}

function distance(seen: Colour | null, wanted: Colour): number {
  if (seen === null) return Number.POSITIVE_INFINITY;
  return Math.max(...seen.map((channel, i) => Math.abs(channel - (wanted[i] ?? 0))));
}
