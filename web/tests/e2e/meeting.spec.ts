import { expect, test } from './harness/test';
import { expectAllToMeet, expectNoPicture, expectSilence, expectToHear, expectToSee } from './harness/senses';

test('S4: a user joins a room through the WebSocket', async ({ people, newMeeting }) => {
  const [ada] = await people.meet(await newMeeting(), ['Ada']);
  const sockets = ada.requests.filter((url) => url.startsWith('wss:'));
  expect(sockets).toEqual([expect.stringMatching(/\/api\/signaling$/)]);
  expect(ada.messages[0]).toMatchObject({ direction: 'sent', type: 'join' });
  expect(ada.messages[1]).toMatchObject({ direction: 'received', type: 'welcome', body: { resumed: false } });
  await expect(ada.ownTile).toHaveAttribute('data-participant', String(ada.messages[1]?.body['participantId']));
  await expect(ada.tiles).toHaveCount(1);
});

test('S4: WebRTC is ready after a successful join, and a second user makes a peer connection', async ({ people, newMeeting }) => {
  const code = await newMeeting();
  const [ada] = await people.meet(code, ['Ada']);
  expect(await ada.devicesInUse()).toBeGreaterThanOrEqual(2);
  expect(await ada.openConnections()).toBe(0);
  const [ben] = await people.meet(code, ['Ben']);
  for (const person of [ada, ben]) {
    await expect.poll(() => person.connectionStates()).toEqual(['connected']);
  }
});

test('S4: ICE candidates are exchanged', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  for (const person of [ada, ben]) {
    await expect.poll(() => person.connectionStates()).toEqual(['connected']);
    for (const direction of ['sent', 'received']) {
      const candidates = (): number => person.messages.filter((message) => message.direction === direction && message.type === 'candidate').length;
      await expect.poll(candidates, `${person.name} ${direction} candidates`).toBeGreaterThan(0);
    }
  }
});

test('S4: two people see each other move and hear each other through audio elements', async ({ people, newMeeting }) => {
  await expectAllToMeet(await people.meet(await newMeeting(), ['Ada', 'Ben']));
});

test('R9: nobody hears their own sound', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectToHear(ada, ben);
  await expect(ada.ownTile.locator('audio')).toHaveCount(0);
  const playback = await ada.page.evaluate(() => {
    const own = new Set(window.probe.deviceTracks.map((track) => track.id));
    const elements = [...document.querySelectorAll<HTMLMediaElement>('audio, video')].map((element) => {
      const tracks = element.srcObject instanceof MediaStream ? element.srcObject.getTracks() : [];
      return { muted: element.muted, picture: element instanceof HTMLVideoElement, own: tracks.some((track) => own.has(track.id)) };
    });
    return {
      own: elements.filter((element) => element.own).length,
      ownAloud: elements.filter((element) => element.own && !element.muted).length,
      picturesAloud: elements.filter((element) => element.picture && !element.muted).length,
    };
  });
  expect(playback.own, 'her own picture is on the screen').toBe(1);
  expect(playback.ownAloud, 'nothing of her own devices is played aloud').toBe(0);
  expect(playback.picturesAloud, 'pictures are silent; sound has elements of its own').toBe(0);
});

test('S4: local audio can be toggled, and the others see and hear it', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  const sign = ben.tile(ada).getByLabel('Ada is muted');
  await expectToHear(ben, ada);
  await expect(sign).toBeHidden();
  await ada.button('Mute microphone').click();
  await expect(sign).toBeVisible();
  await expectSilence(ben, ada);
  await expectToHear(ada, ben);
  await ada.button('Unmute microphone').click();
  await expect(sign).toBeHidden();
  await expectToHear(ben, ada);
});

test('R2: the camera can be toggled, and the others see it', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectToSee(ben, ada);
  await ada.button('Turn camera off').click();
  await expectNoPicture(ben, ada);
  await expect.poll(() => ada.camerasInUse(), 'the camera is released').toBe(0);
  await expectToHear(ben, ada);
  await ada.button('Turn camera on').click();
  await expectToSee(ben, ada);
});

test('R2: who comes later sees at once who is muted and whose camera is off', async ({ people, newMeeting }) => {
  const code = await newMeeting();
  const [ada] = await people.meet(code, ['Ada']);
  await ada.button('Mute microphone').click();
  await ada.button('Turn camera off').click();
  const [ben] = await people.meet(code, ['Ben']);
  await expect(ben.tile(ada).getByLabel('Ada is muted')).toBeVisible();
  await expectNoPicture(ben, ada);
  await ada.button('Unmute microphone').click();
  await ada.button('Turn camera on').click();
  await expectToSee(ben, ada);
  await expectToHear(ben, ada);
});

test('S4: a user leaves, and connections, tiles and devices are cleaned up', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectToSee(ada, ben);
  await ben.leave();
  await expect(ada.tile(ben)).toHaveCount(0);
  await expect(ada.tiles).toHaveCount(1);
  for (const person of [ada, ben]) await expect.poll(() => person.openConnections()).toBe(0);
  await expect.poll(() => ben.devicesInUse(), 'camera and microphone are released').toBe(0);
  expect(await ada.devicesInUse()).toBeGreaterThan(0);
  await expect(ben.page.getByText('Rejoin')).toBeVisible();
});

test('S4: the list of participants follows who joins and leaves', async ({ people, newMeeting }) => {
  const code = await newMeeting();
  const [ada] = await people.meet(code, ['Ada']);
  const list = (await ada.openPanel('People')).getByRole('listitem');
  await expect(list).toHaveCount(1);
  const [ben] = await people.meet(code, ['Ben']);
  await expect(list).toHaveCount(2);
  await expect(list.filter({ hasText: 'Ben' })).toHaveCount(1);
  await ben.leave();
  await expect(list).toHaveCount(1);
  await expect(list).toContainText('Ada');
});
