import { expect, test } from './harness/test';
import { rememberSeats } from './harness/seats';
import { PATIENCE_MS, type Person } from './harness/people';
import { expectAllToMeet, expectToHear, expectToSee, framesShown } from './harness/senses';

/** The page waits longer after each failed attempt; on its way back it may be in the middle of such a wait. */
const BACK_WITHIN_MS = 60_000;

/** A seat is kept for half a minute after its socket was lost. */
const SEAT_LOST_WITHIN_MS = 60_000;

async function expectConnected(...people: Person[]): Promise<void> {
  for (const person of people) await expect.poll(() => person.connectionStates(), { timeout: PATIENCE_MS }).toEqual(['connected']);
}

test('S4: a lost socket comes back to the same seat, and media goes on meanwhile', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectAllToMeet([ada, ben]);
  const expectSameSeats = await rememberSeats(ada, ben);

  ben.cable.cut();
  await expect(ben.reconnectingBanner).toBeVisible();
  await expect(ada.tile(ben)).toContainText('Reconnecting…');
  await expectAllToMeet([ada, ben]);
  await expect(ada.tiles).toHaveCount(2);

  ben.cable.mend();
  await expect(ben.reconnectingBanner).toBeHidden({ timeout: BACK_WITHIN_MS });
  await expect(ada.tile(ben)).not.toContainText('Reconnecting…');
  expect(ben.messages.filter(({ type }) => type === 'resume')).not.toHaveLength(0);
  await expectSameSeats();
  await ben.say('Back again');
  await ada.openPanel('Chat');
  await expect(ada.chatLines).toContainText(['Back again']);
  await expectSameSeats();
});

test('R6: what changed while the socket was away is known after it', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectConnected(ada, ben);
  ben.cable.cut();
  await expect(ben.reconnectingBanner).toBeVisible();
  await ada.button('Mute microphone').click();
  await ben.button('Turn camera off').click();
  await ada.say('Written while you were away');
  ben.cable.mend();
  await expect(ben.reconnectingBanner).toBeHidden({ timeout: BACK_WITHIN_MS });
  await expect(ben.tile(ada).getByLabel('Ada is muted')).toBeVisible();
  await expect(ada.tile(ben).locator('video')).toBeHidden();
  await ben.openPanel('Chat');
  await expect(ben.chatLines).toHaveCount(1);
  await expect(ben.chatLines).toContainText(['Written while you were away']);
});

test('R6: who does not come back in time loses the seat, and the tile goes', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectConnected(ada, ben);
  ben.cable.cut();
  await ben.page.close();
  await expect(ada.tile(ben)).toContainText('Reconnecting…');
  await expect(ada.tile(ben)).toHaveCount(0, { timeout: 60_000 });
  await expect.poll(() => ada.openConnections()).toBe(0);
});

test('R6: who comes back after losing the seat sees and hears the others again, and they too', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectAllToMeet([ada, ben]);

  ben.cable.cut();
  await expect(ada.tile(ben)).toContainText('Reconnecting…');
  await expect(ada.tile(ben)).toHaveCount(0, { timeout: SEAT_LOST_WITHIN_MS });
  await expect.poll(() => ada.openConnections()).toBe(0);

  ben.cable.mend();
  await expect(ben.reconnectingBanner).toBeHidden({ timeout: BACK_WITHIN_MS });
  for (const person of [ada, ben]) await expect(person.tiles).toHaveCount(2);
  await expectAllToMeet([ada, ben], BACK_WITHIN_MS);
  for (const person of [ada, ben]) expect(await person.openConnections()).toBe(1);
});

test('R6: the server is away for 20 s; picture and sound go on, and both keep their seats', async ({ people, newMeeting, server }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectAllToMeet([ada, ben]);
  const expectSameSeats = await rememberSeats(ada, ben);

  await server.stop();
  const back = Date.now() + 20_000;
  for (const person of [ada, ben]) await expect(person.reconnectingBanner).toBeVisible();
  while (Date.now() < back) {
    const frames = await framesShown(ada, ben);
    await expectAllToMeet([ada, ben], 5_000);
    expect(await framesShown(ada, ben)).toBeGreaterThan(frames);
  }
  await expectSameSeats();
  await server.startAgain();

  for (const person of [ada, ben]) await expect(person.reconnectingBanner).toBeHidden({ timeout: BACK_WITHIN_MS });
  for (const [person, other] of [[ada, ben], [ben, ada]] as const) await expect(person.tile(other)).not.toContainText('Reconnecting…');
  await expectSameSeats();
  await ada.say('Still here');
  await ben.openPanel('Chat');
  await expect(ben.chatLines).toContainText(['Still here']);
  await expectAllToMeet([ada, ben]);
  await expectSameSeats();
});

test('M9: the server is killed and started again; the meeting goes on, and leaving it leaves no ghost', async ({ people, newMeeting, server }) => {
  const code = await newMeeting();
  const [ada, ben] = await people.meet(code, ['Ada', 'Ben']);
  await expectAllToMeet([ada, ben]);
  const expectSameSeats = await rememberSeats(ada, ben);

  await server.kill();
  await expect(ada.reconnectingBanner).toBeVisible();
  await server.startAgain();
  for (const person of [ada, ben]) await expect(person.reconnectingBanner).toBeHidden({ timeout: BACK_WITHIN_MS });
  await expectSameSeats();
  const [cem] = await people.meet(code, ['Cem']);
  await expect(cem.tiles).toHaveCount(3);
  await expectToSee(cem, ada);
  await expectToHear(ben, cem);
  await ben.leave();
  for (const person of [ada, cem]) await expect(person.tiles).toHaveCount(2);
});

test('M9: who reloads the page and joins again leaves no ghost', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectConnected(ada, ben);
  await ben.page.reload();
  await ben.getReady();
  await ben.enter();
  await expect(ada.tiles).toHaveCount(2, { timeout: 45_000 });
  await expect(ben.tiles).toHaveCount(2);
  await expectAllToMeet([ada, ben]);
  expect(await ada.openConnections()).toBe(1);
});

test('R4: who left can rejoin', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await ben.leave();
  await ben.page.getByRole('button', { name: 'Rejoin' }).or(ben.page.getByRole('link', { name: 'Rejoin' })).click();
  await ben.getReady();
  await ben.enter();
  await expect(ada.tiles).toHaveCount(2);
  await expectAllToMeet([ada, ben]);
});
