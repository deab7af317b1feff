import { expect, test } from './harness/test';
import { expectAllToMeet, expectToSee } from './harness/senses';
import { Hearth } from './harness/server';

test('S4: three people connect, each with each, and two go on when one leaves', async ({ people, newMeeting }) => {
  const [ada, ben, cem] = await people.meet(await newMeeting(), ['Ada', 'Ben', 'Cem']);
  await expectAllToMeet([ada, ben, cem]);
  for (const person of [ada, ben, cem]) expect(await person.openConnections()).toBe(2);
  await cem.leave();
  for (const person of [ada, ben]) {
    await expect(person.tiles).toHaveCount(2);
    await expect.poll(() => person.openConnections()).toBe(1);
  }
  await expectAllToMeet([ada, ben]);
});

test('R1: six people meet, each with each, with picture and sound', async ({ people, newMeeting }) => {
  test.setTimeout(600_000);
  const six = await people.meet(await newMeeting(), ['Ada', 'Ben', 'Cem', 'Dia', 'Eve', 'Fay']);
  for (const person of six) {
    await expect(person.tiles).toHaveCount(6, { timeout: 60_000 });
    await expect.poll(() => person.connectionStates(), { timeout: 120_000 }).toEqual(Array(5).fill('connected'));
  }
  await expectAllToMeet(six, 120_000);
});

test('S4: chat to everybody reaches everybody, once, and in order', async ({ people, newMeeting }) => {
  const [ada, ben, cem] = await people.meet(await newMeeting(), ['Ada', 'Ben', 'Cem']);
  for (const person of [ada, ben, cem]) await person.openPanel('Chat');
  await ada.say('The kettle is on');
  await expect(cem.chatLines).toHaveCount(1);
  await ben.say('Two sugars, please');
  for (const person of [ada, ben, cem]) {
    await expect(person.chatLines).toHaveCount(2);
    await expect(person.chatLines.nth(0)).toContainText('The kettle is on');
    await expect(person.chatLines.nth(1)).toContainText('Two sugars, please');
  }
});

test('R5: chat to one of three reaches that one and nobody else', async ({ people, newMeeting }) => {
  const [ada, ben, cem] = await people.meet(await newMeeting(), ['Ada', 'Ben', 'Cem']);
  for (const person of [ada, ben, cem]) await person.openPanel('Chat');
  await ada.say('Only for Ben', ben);
  await expect(ben.chatLines).toContainText(['Only for Ben']);
  await expect(ada.chatLines).toContainText(['Only for Ben']);
  await ada.say('For both of you');
  await expect(cem.chatLines).toHaveCount(1);
  await expect(cem.chatLines).toContainText(['For both of you']);
  const overheard = cem.messages.filter(({ body }) => JSON.stringify(body).includes('Only for Ben'));
  expect(overheard, 'not even the socket of the third one got it').toEqual([]);
});

test('R7: two people who may only use the relay meet through it', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben'], { relayOnly: true });
  await expectAllToMeet([ada, ben]);
  for (const person of [ada, ben]) expect(await person.routes()).toEqual(['relay to relay']);
});

test('R7: two people whose UDP is blocked meet through the relay over TCP', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben'], { noUdp: true });
  await expectAllToMeet([ada, ben]);
  for (const person of [ada, ben]) {
    expect(await person.routes()).toEqual(['relay to relay']);
    expect(await person.relayProtocols()).toEqual(['tcp']);
  }
});

test('R7: two people who reach nothing but the HTTPS port meet through the relay over TLS', async ({ people, newMeeting }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben'], { onlyHttps: true });
  await expectAllToMeet([ada, ben]);
  for (const person of [ada, ben]) {
    expect(await person.routes()).toEqual(['relay to relay']);
    expect(await person.relayProtocols()).toEqual(['tls']);
  }
});

test('R7: one person behind a relay and one without meet', async ({ people, newMeeting }) => {
  const code = await newMeeting();
  const [ada] = await people.meet(code, ['Ada'], { relayOnly: true });
  const [ben] = await people.meet(code, ['Ben']);
  await expectToSee(ada, ben);
  await expectToSee(ben, ada);
  expect(await ada.routes()).toEqual([expect.stringMatching(/^relay to /)]);
});

test('T2: a relayed call moves over to new credentials before the old ones end', async ({ people }) => {
  test.setTimeout(180_000);
  // The shortest life that the configuration allows; new ones are due after half of it.
  const LIFE_SECONDS = 60;
  const server = await Hearth.start(`credential_ttl_seconds = ${LIFE_SECONDS}\n`);
  try {
    const [ada, ben] = await people.meet(await server.createMeeting(), ['Ada', 'Ben'], { relayOnly: true, at: server });
    const firstAreOver = Date.now() + (LIFE_SECONDS + 5) * 1_000;
    await expectAllToMeet([ada, ben]);
    const renewed = (): number => ada.messages.findIndex(({ body }) => body['type'] === 'iceServers');
    await expect.poll(renewed, { timeout: 60_000 }).toBeGreaterThan(0);
    // A new ICE generation, and with it new allocations: the old ones end with their credentials.
    const negotiated = (): boolean => ada.messages.slice(renewed()).some(({ body }) => body['type'] === 'answer');
    await expect.poll(negotiated).toBe(true);
    await expectAllToMeet([ada, ben]);
    await ada.page.waitForTimeout(Math.max(0, firstAreOver - Date.now()));
    await expectAllToMeet([ada, ben]);
    for (const person of [ada, ben]) expect(await person.routes()).toEqual(['relay to relay']);
  } finally {
    await server.dispose();
  }
});
