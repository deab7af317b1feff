import { expect, test } from './harness/test';
import { Machine, type Person } from './harness/people';
import type { DeviceFailure } from './harness/probe';
import { expectAllToMeet, expectToHear, expectToSee } from './harness/senses';
import { ADMIN } from './harness/server';

/** Names of errors as programs know them. No person should ever read one. */
const RAW_ERROR = /NotAllowedError|NotFoundError|NotReadableError|OverconstrainedError|DOMException|undefined|\[object/;

const FAILURES: readonly { what: string; error: DeviceFailure; words: RegExp }[] = [
  { what: 'refused in the browser', error: { name: 'NotAllowedError', message: 'Permission denied' }, words: /told not to let this page/i },
  { what: 'refused by the system', error: { name: 'NotAllowedError', message: 'Permission denied by system' }, words: /your system does not let/i },
  { what: 'not found', error: { name: 'NotFoundError', message: 'Requested device not found' }, words: /no (camera|microphone) was found/i },
  { what: 'used by another program', error: { name: 'NotReadableError', message: 'Could not start video source' }, words: /in use by another program/i },
];

async function expectRefusal(person: Person, code: string, words: RegExp): Promise<void> {
  await person.open(`/m/${code}`);
  const sentence = person.page.getByRole('main').getByText(words).filter({ visible: true }).first();
  await expect(sentence.or(person.joinButton).first()).toBeVisible();
  if (await person.joinButton.isVisible()) {
    const name = person.page.getByRole('textbox', { name: 'Your name' });
    if (await name.isVisible()) await name.fill(person.name);
    if (await person.joinButton.isEnabled()) await person.joinButton.click();
  }
  await expect(sentence).toBeVisible();
  await expect(person.tiles).toHaveCount(0);
  await expect(person.page.getByRole('main')).not.toContainText(RAW_ERROR);
}

test('R12: somebody without camera and microphone joins, sees and hears', async ({ people, newMeeting }) => {
  const code = await newMeeting();
  const [ada] = await people.meet(code, ['Ada']);
  const machine = await Machine.switchOn('Fay', null);
  try {
    const fay = await people.arriveAt(machine, 'Fay');
    await fay.join(code);
    await expectToSee(fay, ada);
    await expectToHear(fay, ada);
    await expect(ada.tile(fay).getByLabel('Fay is muted')).toBeVisible();
    await fay.say('I can only write');
    await ada.openPanel('Chat');
    await expect(ada.chatLines).toContainText(['I can only write']);
  } finally {
    await machine.switchOff();
  }
});

for (const { what, error, words } of FAILURES) {
  test(`R12: devices ${what}: the page says so in plain words, and one can join all the same`, async ({ people, newMeeting }) => {
    const code = await newMeeting();
    const ada = await people.arrive('Ada', { devicesFail: error });
    await ada.openMeeting(code);
    await expect(ada.page.getByRole('main')).toContainText(words);
    await expect(ada.page.getByRole('main')).not.toContainText(RAW_ERROR);
    await ada.enter();
    await expect(ada.tiles).toHaveCount(1);
  });
}

test('R12: on a first visit the page says why before the browser is asked for the devices', async ({ people, newMeeting }) => {
  const code = await newMeeting();
  const [ada] = await people.meet(code, ['Ada']);
  const ben = await people.arrive('Ben', { firstVisit: true });
  await ben.open(`/m/${code}`);
  await expect(ben.allowButton).toBeVisible();
  await expect(ben.joinButton).toBeVisible();
  expect(await ben.page.evaluate(() => window.probe.asked), 'nothing was asked for yet').toBe(0);
  await ben.allowButton.click();
  await ben.getReady();
  await ben.enter();
  await expectAllToMeet([ada, ben]);
});

test('R12: each way for the devices to fail has words of its own', async ({ people, newMeeting }) => {
  const code = await newMeeting();
  const texts = new Set<string>();
  for (const { error, words } of FAILURES) {
    const ada = await people.arrive('Ada', { devicesFail: error });
    await ada.openMeeting(code);
    const main = ada.page.getByRole('main');
    await expect(main).toContainText(words);
    texts.add(await main.innerText());
  }
  expect(texts.size).toBe(FAILURES.length);
});

test('R12: who joins muted and with the camera off is neither heard nor seen until switched on', async ({ people, newMeeting }) => {
  const code = await newMeeting();
  const [ada] = await people.meet(code, ['Ada']);
  const ben = await people.arrive('Ben');
  await ben.openMeeting(code);
  await ben.button('Mute microphone').click();
  await ben.button('Turn camera off').click();
  await ben.enter();
  await expect(ada.tile(ben).getByLabel('Ben is muted')).toBeVisible();
  await expect(ada.tile(ben).locator('video')).toBeHidden();
  await ben.button('Unmute microphone').click();
  await ben.button('Turn camera on').click();
  await expectAllToMeet([ada, ben]);
});

test('A5: a meeting for members only refuses a guest with a sentence, and takes a member', async ({ people, newMeeting, server }) => {
  const code = await newMeeting({ settings: { guestsAllowed: false } });
  const ben = await people.arrive('Ben');
  await ben.open(`/m/${code}`);
  await expect(ben.page.getByRole('main').getByText('This meeting is for people with an account here.', { exact: true })).toBeVisible();
  await expect(ben.joinButton).toHaveCount(0);
  const grace = await people.arrive('Dia', { called: ADMIN.name });
  await grace.signIn(ADMIN.email, ADMIN.password);
  await grace.join(code);
  await expect(grace.tiles).toHaveCount(1);
  expect(await server.seated(code)).toEqual([ADMIN.name]);
});

test('M3: an unknown code is refused with a sentence', async ({ people, newMeeting }) => {
  await newMeeting();
  await expectRefusal(await people.arrive('Ben'), '0000-0000-0000', /no (such )?meeting|not found|find|does not exist|unknown/i);
});

test('M3: no answer and too many questions are not told as an unknown meeting, and one can try again', async ({ people, newMeeting }) => {
  const code = await newMeeting();
  const ben = await people.arrive('Ben');
  const heading = (name: string): ReturnType<typeof ben.page.getByRole> => ben.page.getByRole('heading', { level: 1, name, exact: true });
  let failing: 'away' | 'busy' | null = 'away';
  await ben.page.route('**/preview', (route) => {
    if (failing === null) return route.continue();
    if (failing === 'away') return route.abort();
    const error = { code: 'too_many_requests', message: 'Too many attempts. Try again in 3 seconds.', retryAfterSeconds: 3 };
    return route.fulfill({ status: 429, json: { error } });
  });
  await ben.open(`/m/${code}`);
  await expect(heading('The meeting can’t be reached')).toBeVisible();
  failing = 'busy';
  await ben.button('Try again').click();
  await expect(heading('Too many attempts')).toBeVisible();
  failing = null;
  await ben.button('Try again').click();
  await expect(ben.joinButton).toBeVisible();
});

test('M3: a full meeting refuses the next one with a sentence, and goes on', async ({ people, newMeeting }) => {
  const code = await newMeeting({ settings: { maxParticipants: 2 } });
  const [ada, ben] = await people.meet(code, ['Ada', 'Ben']);
  await expectRefusal(await people.arrive('Cem'), code, /full/i);
  await expectAllToMeet([ada, ben]);
});

test('M10: the host ends the meeting for everybody, and nobody can come back', async ({ people, newMeeting }) => {
  const code = await newMeeting();
  const [ada, ben] = await people.meet(code, ['Ada', 'Ben']);
  const grace = await people.arrive('Dia', { called: ADMIN.name });
  await grace.signIn(ADMIN.email, ADMIN.password);
  await grace.join(code);
  await expectToSee(ada, grace);
  await grace.endForAll();
  for (const person of [ada, ben, grace]) {
    await expect(person.page.getByRole('heading', { name: 'The meeting has ended' })).toBeVisible();
    await expect.poll(() => person.openConnections()).toBe(0);
    await expect.poll(() => person.devicesInUse()).toBe(0);
  }
  await expectRefusal(await people.arrive('Cem'), code, /ended|over/i);
});

test('M10: who is not the host leaves at once, without a menu', async ({ people, newMeeting }) => {
  const [ada] = await people.meet(await newMeeting(), ['Ada']);
  await ada.button('Leave').click();
  await expect(ada.page.getByRole('heading', { name: 'You have left the meeting' })).toBeVisible();
  await expect(ada.page.getByRole('menuitem')).toHaveCount(0);
});
