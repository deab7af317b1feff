import type { Locator } from '@playwright/test';
import { expect, test } from './harness/test';
import { expectAllToMeet } from './harness/senses';

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 } as const;

async function area(tile: Locator): Promise<number> {
  const box = await tile.boundingBox();
  return box === null ? 0 : box.width * box.height;
}

test('The stage: alone one finds the link to copy; two: the other is large; three: all are the same size', async ({ people, newMeeting, server }) => {
  const code = await newMeeting();
  const [ada] = await people.meet(code, ['Ada']);
  await ada.button('Copy link').first().click();
  expect(await ada.page.evaluate(() => navigator.clipboard.readText())).toBe(`${server.origin}/m/${code}`);

  const [ben] = await people.meet(code, ['Ben']);
  await expect(ada.tile(ben)).toBeVisible();
  await expect.poll(async () => (await area(ada.tile(ben))) / (await area(ada.ownTile))).toBeGreaterThan(3);

  const [cem] = await people.meet(code, ['Cem']);
  await expect(ada.tile(cem)).toBeVisible();
  await expect.poll(async () => (await area(ada.tile(ben))) / (await area(ada.ownTile))).toBeCloseTo(1, 1);
  expect((await area(ada.tile(cem))) / (await area(ada.tile(ben)))).toBeCloseTo(1, 1);
  for (const tile of await ada.tiles.all()) await expect(tile).toBeInViewport({ ratio: 0.99 });
});

test('Keys: M, V, C, P, Escape, Ctrl+D and Ctrl+E work, Space held talks, and text fields keep them all', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  const muted = ben.tile(ada).getByLabel('Ada is muted');
  const { keyboard } = ada.page;
  await keyboard.press('m');
  await expect(ada.button('Unmute microphone')).toBeVisible();
  await expect(muted).toBeVisible();
  await keyboard.down(' ');
  await expect(muted).toBeHidden();
  await keyboard.up(' ');
  await expect(muted).toBeVisible();
  await keyboard.press('Control+d');
  await expect(ada.button('Mute microphone')).toBeVisible();
  await keyboard.press('v');
  await expect(ada.button('Turn camera on')).toBeVisible();
  await keyboard.press('Control+e');
  await expect(ada.button('Turn camera off')).toBeVisible();

  await keyboard.press('p');
  await expect(ada.panel('People').locator(':focus'), 'focus moves into the panel').toHaveCount(1);
  await keyboard.press('Escape');
  await expect(ada.panel('People')).toBeHidden();
  await keyboard.press('c');
  const message = ada.panel('Chat').getByRole('textbox', { name: 'Message' });
  await expect(message, 'focus moves into the panel').toBeFocused();
  await keyboard.type('mvp c');
  await expect(message).toHaveValue('mvp c');
  await expect(ada.button('Mute microphone')).toBeVisible();
  await expect(ada.button('Turn camera off')).toBeVisible();
  await keyboard.press('Enter');
  await ben.openPanel('Chat');
  await expect(ben.chatLines).toContainText(['mvp c']);
  await keyboard.press('Escape');
  await expect(ada.panel('Chat')).toBeHidden();
});

test('A phone: from the link into the meeting, chat, and out again, without scrolling sideways', async ({ people, newMeeting }) => {
  const code = await newMeeting();
  const [ada] = await people.meet(code, ['Ada']);
  const ben = await people.arrive('Ben', { context: PHONE });
  const expectToFit = async (): Promise<void> => {
    const overhang = await ben.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(overhang, 'pixels beyond the right edge').toBeLessThanOrEqual(0);
  };
  await ben.openMeeting(code);
  await expectToFit();
  await ben.joinButton.scrollIntoViewIfNeeded();
  await ben.enter();
  await expectAllToMeet([ada, ben]);
  await expectToFit();
  for (const name of ['Mute microphone', 'Turn camera off', 'Leave']) await expect(ben.button(name)).toBeInViewport({ ratio: 1 });
  for (const tile of await ben.tiles.all()) await expect(tile).toBeInViewport({ ratio: 0.99 });
  await ben.say('From the tram');
  await expectToFit();
  await ada.openPanel('Chat');
  await expect(ada.chatLines).toContainText(['From the tram']);
  await ben.page.keyboard.press('Escape');
  await expect(ben.panel('Chat')).toBeHidden();
  await ben.leave();
  await expectToFit();
  await expect(ada.tiles).toHaveCount(1);
});
