import { expect, test as base } from './harness/test';
import { PATIENCE_MS, type Person } from './harness/people';
import { rememberSeats } from './harness/seats';
import { expectAllToMeet, framesShown } from './harness/senses';
import { Hearth } from './harness/server';

// The server is replaced in the middle of a call, again and again, while somebody else holds its sockets, as systemd does.

const RESTARTS = 10;
/** What is promised for calls that go through the relay. */
const RELAYED_BACK_WITHIN_MS = 15_000;
/** Any interruption that a person would call one takes longer: to make a connection anew, or to find another way for it, takes several seconds. */
const WINDOW_MS = 3_000;
/** This many new pictures are no leftovers of a buffer. */
const SEVERAL_FRAMES = 10;

const test = base.extend({
  server: [async ({}, use) => {
    const server = await Hearth.startHeld();
    await use(server);
    await server.dispose();
  }, { scope: 'worker' }],
});

test.setTimeout(600_000);

/** Waits until each of the two shows this many more pictures of the other than now. */
async function expectMoreFrames(ada: Person, ben: Person, more: number, timeout: number): Promise<void> {
  await Promise.all(([[ada, ben], [ben, ada]] as const).map(async ([person, other]) => {
    const before = await framesShown(person, other);
    await expect.poll(async () => (await framesShown(person, other)) - before, { timeout, intervals: [100] }).toBeGreaterThanOrEqual(more);
  }));
}

/** What each has been told about the restart, and whether everything is as usual again. */
async function expectBack(...people: Person[]): Promise<void> {
  for (const person of people) {
    await expect(person.reconnectingBanner).toBeHidden({ timeout: PATIENCE_MS });
    for (const other of people.filter((each) => each !== person)) await expect(person.tile(other)).not.toContainText('Reconnecting…', { timeout: PATIENCE_MS });
    await expect(person.tiles).toHaveCount(people.length);
  }
}

/** What changes with each restart of ICE, on both sides of each connection. */
function iceGenerations(person: Person): Promise<string[]> {
  return person.page.evaluate(() => window.probe.connections.flatMap(({ localDescription, remoteDescription }) =>
    [localDescription, remoteDescription].flatMap((description) => description?.sdp.match(/^a=ice-ufrag:\S+/gm) ?? [])));
}

function received(person: Person, type: string): number {
  return person.messages.filter((message) => message.direction === 'received' && message.type === type).length;
}

test('R20: ten restarts in the middle of a direct call: pictures go on all the time, over the same connection', async ({ people, newMeeting, server }) => {
  const code = await newMeeting();
  const [ada, ben] = await people.meet(code, ['Ada', 'Ben']);
  await expectAllToMeet([ada, ben]);
  const expectSameSeats = await rememberSeats(ada, ben);
  const generations = (): Promise<string[][]> => Promise.all([ada, ben].map(iceGenerations));
  const generationsBefore = await generations();
  await Promise.all([ada, ben].map((person) => person.page.evaluate((milliseconds) => window.probe.watchStillness(milliseconds), WINDOW_MS)));
  const back: number[] = [];
  for (let restart = 1; restart <= RESTARTS; restart += 1) {
    const begin = Date.now();
    await server.stop();
    // It is away now, and somebody else holds the door.
    await expectMoreFrames(ada, ben, SEVERAL_FRAMES, PATIENCE_MS);
    await server.startAgain();
    await expectBack(ada, ben);
    back.push(Date.now() - begin);
    for (const person of [ada, ben]) {
      expect(received(person, 'serverRestart'), 'told each time before the socket closes').toBe(restart);
      expect(received(person, 'welcome'), 'back on the first attempt').toBe(restart + 1);
    }
    await expectMoreFrames(ada, ben, SEVERAL_FRAMES, PATIENCE_MS);
    await expectSameSeats();
    expect((await server.seated(code)).sort()).toEqual(['Ada', 'Ben']);
  }
  const still = await Promise.all([ada, ben].map((person) => person.page.evaluate(() => window.probe.longestStillMs)));
  console.log(`direct call: all as usual again ${back.join(', ')} ms after SIGTERM, a pause of the test included; longest time without a new picture ${still.join(' and ')} ms`);
  for (const person of [ada, ben]) {
    const windows = await person.page.evaluate(() => window.probe.decodedPerWindow);
    expect(windows.length, 'it was looked at during each restart').toBeGreaterThanOrEqual(RESTARTS);
    expect(windows.filter((decoded) => decoded === 0), `new pictures in each of ${windows.join(', ')}`).toEqual([]);
    expect(await person.openConnections()).toBe(1);
  }
  expect(await generations(), 'ICE was never restarted').toEqual(generationsBefore);
  await expectAllToMeet([ada, ben]);
  await expectSameSeats();
});

test('R21: ten restarts in the middle of a relayed call: it is back within 15 s each time', async ({ people, newMeeting, server }) => {
  const code = await newMeeting();
  const [ada, ben] = await people.meet(code, ['Ada', 'Ben'], { relayOnly: true });
  await expectAllToMeet([ada, ben]);
  const seats = async (): Promise<unknown> => [await ada.seatOf(ben), await ben.seatOf(ada)];
  const before = await seats();
  const back: number[] = [];
  for (let restart = 1; restart <= RESTARTS; restart += 1) {
    const begin = Date.now();
    await server.stop();
    await server.startAgain();
    await expectMoreFrames(ada, ben, SEVERAL_FRAMES, 4 * RELAYED_BACK_WITHIN_MS);
    back.push(Date.now() - begin);
    await expectBack(ada, ben);
    expect(await seats()).toEqual(before);
    for (const person of [ada, ben]) expect((await person.connectionStates()).length, 'the same connection').toBe(1);
  }
  console.log(`relayed call: pictures again ${back.join(', ')} ms after SIGTERM`);
  for (const person of [ada, ben]) expect((await person.routes()).join()).toBe('relay to relay');
  expect(Math.max(...back)).toBeLessThanOrEqual(RELAYED_BACK_WITHIN_MS);
  await expectAllToMeet([ada, ben]);
});
