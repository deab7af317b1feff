import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { expect, test } from './harness/test';
import { Hearth } from './harness/server';
import type { People } from './harness/test';

// What `make figures` runs. These are measurements, not tests: nothing here fails for being slow.

const ROUNDS = 7;
const IDLE_MS = 5_000;

interface Figures {
  binary_bytes: number;
  idle_rss_kib: number;
  start_to_serving_ms: number;
  first_load_gzip_bytes: number;
  join_to_first_frame_ms: number;
}

test('figures', async ({ people }) => {
  const { file } = requireSettings();
  const figures: Figures = {
    binary_bytes: (await stat(Hearth.binary)).size,
    start_to_serving_ms: await startToServing(),
    idle_rss_kib: await idleMemory(),
    first_load_gzip_bytes: await firstLoad(people),
    join_to_first_frame_ms: await joinToFirstFrame(people),
  };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(figures, null, 2)}\n`);
});

function requireSettings(): { file: string } {
  const file = process.env['HEARTH_FIGURES'];
  if (file === undefined) throw new Error('HEARTH_FIGURES names no file: run `node benches/figures.mjs`');
  return { file: resolve(file) };
}

/** From starting the program in an empty data directory to its first good answer over TLS, in milliseconds. */
async function startToServing(): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const server = await Hearth.start();
    times.push(server.startedWithinMs);
    await server.dispose();
  }
  return Math.round(median(times));
}

/** Resident memory of a server that has just been started and left alone, in KiB. */
async function idleMemory(): Promise<number> {
  const server = await Hearth.start();
  await new Promise((wake) => setTimeout(wake, IDLE_MS));
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
  await server.dispose();
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (resident === undefined) throw new Error(`no VmRSS in\n${status}`);
  return Number(resident);
}

/** Document, scripts and styles of the first visit to the home page, as they cross the network with gzip. */
async function firstLoad(people: People): Promise<number> {
  const visitor = await people.arrive('Ada', { context: { extraHTTPHeaders: { 'accept-encoding': 'gzip' } } });
  const sizes: Promise<number>[] = [];
  const plain: string[] = [];
  visitor.page.on('requestfinished', (request) => {
    if (!['document', 'script', 'stylesheet'].includes(request.resourceType())) return;
    sizes.push(request.sizes().then(({ responseBodySize }) => responseBodySize));
    void request.response().then((response) => {
      if (response?.headers()['content-encoding'] !== 'gzip') plain.push(request.url());
    });
  });
  await visitor.open('/');
  await visitor.page.waitForLoadState('networkidle');
  await expect(visitor.page.getByRole('main')).toBeVisible();
  if (plain.length > 0) console.log(`served without gzip: ${plain.join(' ')}`);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** From the press on "Join meeting" to the first picture of the other one on the screen of who joins, in milliseconds. */
async function joinToFirstFrame(people: People): Promise<number> {
  const server = people.server;
  const code = await server.createMeeting();
  await people.meet(code, ['Ada']);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const ben = await people.arrive('Ben');
    await ben.join(code);
    await expect.poll(() => ben.page.evaluate(() => window.probe.firstPictureAt)).not.toBeNull();
    times.push(await ben.page.evaluate(() => (window.probe.firstPictureAt ?? 0) - (window.probe.joinPressedAt ?? 0)));
    await ben.leave();
    await ben.context.close();
  }
  return Math.round(median(times));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted[sorted.length >> 1];
  if (middle === undefined) throw new Error('nothing was measured');
  return middle;
}
