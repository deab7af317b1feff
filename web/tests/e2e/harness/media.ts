import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Red, green and blue, 0 to 255 each. */
export type Colour = readonly [number, number, number];

/** What tells one person's picture and sound from everybody else's. */
export interface Voice {
  readonly colour: Colour;
  /** The pitch of the microphone, in hertz. No two are closer than 20 %, and none is another's double or triple. */
  readonly hertz: number;
}

/** The six people of the browser tests. Each colour is as far from the others as colours can be. */
export const VOICES = {
  Ada: { colour: [255, 0, 0], hertz: 450 },
  Ben: { colour: [0, 0, 255], hertz: 570 },
  Cem: { colour: [0, 255, 0], hertz: 720 },
  Dia: { colour: [255, 255, 0], hertz: 1010 },
  Eve: { colour: [255, 0, 255], hertz: 1270 },
  Fay: { colour: [0, 255, 255], hertz: 1600 },
} as const satisfies Record<string, Voice>;

export type Name = keyof typeof VOICES;

/** Files that Chromium plays as one person's camera and microphone, over and over. */
export interface Recording {
  readonly camera: string;
  readonly microphone: string;
}

const WIDTH = 320;
const HEIGHT = 180;
const FRAMES_PER_SECOND = 10;
const FRAMES = 20;
const BAR_WIDTH = WIDTH / FRAMES;
/** Rows from here down show the moving bar; all rows above, the centre included, show the pure colour. */
export const BAR_TOP_ROW = 130;
const SAMPLES_PER_SECOND = 48_000;
const SECONDS_OF_SOUND = 4;

/** Writes camera and microphone files for everybody. Call `remove` when no browser needs them any more. */
export async function makeRecordings(): Promise<{ of: Record<Name, Recording>; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-e2e-media-'));
  const of: Partial<Record<Name, Recording>> = {};
  for (const name of Object.keys(VOICES) as Name[]) {
    const recording = { camera: join(folder, `${name}.y4m`), microphone: join(folder, `${name}.wav`) };
    await writeFile(recording.camera, movingColour(VOICES[name].colour));
    await writeFile(recording.microphone, tone(VOICES[name].hertz));
    of[name] = recording;
  }
  return { of: of as Record<Name, Recording>, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** A YUV4MPEG2 film: one colour, and along the bottom a white bar that is elsewhere in each frame. */
function movingColour(colour: Colour): Buffer {
  const [y, u, v] = limitedRangeYuv(colour);
  const chroma = (WIDTH / 2) * (HEIGHT / 2);
  const parts: Buffer[] = [Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F${FRAMES_PER_SECOND}:1 Ip A1:1 C420jpeg\n`)];
  for (let frame = 0; frame < FRAMES; frame++) {
    const luma = Buffer.alloc(WIDTH * HEIGHT, y);
    const planes = [luma, Buffer.alloc(chroma, u), Buffer.alloc(chroma, v)];
    const left = frame * BAR_WIDTH;
    for (let row = BAR_TOP_ROW; row < HEIGHT; row++) luma.fill(235, row * WIDTH + left, row * WIDTH + left + BAR_WIDTH);
    for (let row = BAR_TOP_ROW / 2; row < HEIGHT / 2; row++) {
      const start = (row * WIDTH + left) / 2;
      for (const plane of planes.slice(1)) plane.fill(128, start, start + BAR_WIDTH / 2);
    }
    parts.push(Buffer.from('FRAME\n'), ...planes);
  }
  return Buffer.concat(parts);
}

/** ITU-R BT.601, limited range: what cameras and the WebRTC codecs use for small pictures. */
function limitedRangeYuv([red, green, blue]: Colour): [number, number, number] {
  const y = 16 + 0.257 * red + 0.504 * green + 0.098 * blue;
  const u = 128 - 0.148 * red - 0.291 * green + 0.439 * blue;
  const v = 128 + 0.439 * red - 0.368 * green - 0.071 * blue;
  return [Math.round(y), Math.round(u), Math.round(v)];
}

/** A WAV file with a sine that swells and fades, as speech does, so that noise suppression doesn't take it for a hum. */
function tone(hertz: number): Buffer {
  const samples = SAMPLES_PER_SECOND * SECONDS_OF_SOUND;
  const wav = Buffer.alloc(44 + samples * 2);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + samples * 2, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(SAMPLES_PER_SECOND, 24);
  wav.writeUInt32LE(SAMPLES_PER_SECOND * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(samples * 2, 40);
  for (let i = 0; i < samples; i++) {
    const seconds = i / SAMPLES_PER_SECOND;
    const swell = 0.55 - 0.45 * Math.cos(2 * Math.PI * 2 * seconds);
    wav.writeInt16LE(Math.round(swell * 16_000 * Math.sin(2 * Math.PI * hertz * seconds)), 44 + i * 2);
  }
  return wav;
}
