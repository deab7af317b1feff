import { expect, test } from './harness/test';
import { expectToSee } from './harness/senses';

const MARKUP = '<img src=x onerror="window.ran=1">';
const WORSE = '"><script>window.ran=1</script><svg/onload="window.ran=1">';
const LINKS = 'javascript:alert(1) https://pictures.example/cat.gif';

test('U1, U3: markup in names, titles and chat is shown as text, and no address in it is fetched', async ({ people, newMeeting }) => {
  const code = await newMeeting({ title: `Choir ${MARKUP}` });
  const mallory = await people.arrive('Ada', { called: MARKUP });
  const ben = await people.arrive('Ben');
  await mallory.join(code);
  await ben.openMeeting(code);
  await expect(ben.page.getByRole('main')).toContainText(`Choir ${MARKUP}`);
  await ben.enter();
  await expect(ben.tile(mallory)).toBeVisible();
  await expect(ben.tile(mallory)).toContainText(MARKUP);
  await expect(await ben.openPanel('People')).toContainText(MARKUP);
  for (const line of [MARKUP, WORSE, LINKS, '__proto__']) await mallory.say(line);
  await ben.openPanel('Chat');
  await expect(ben.chatLines).toContainText([MARKUP, WORSE, LINKS, '__proto__']);
  await ben.say('Heard', mallory);
  for (const person of [mallory, ben]) {
    expect(await person.page.evaluate(() => 'ran' in window)).toBe(false);
    expect(await person.page.locator('img[src="x"], a[href^="javascript:"], [onerror], [onload]').count()).toBe(0);
  }
});

test('U2: every answer carries the policy, and the policy stops what was smuggled in', async ({ people, newMeeting }) => {
  const ada = await people.arrive('Ada');
  const bare: string[] = [];
  ada.page.on('response', (response) => {
    const policy = response.headers()['content-security-policy'] ?? '';
    if (!policy.includes("default-src 'none'") || /unsafe-(inline|eval)/.test(policy)) bare.push(response.url());
  });
  await ada.join(await newMeeting());
  const stopped = await ada.page.evaluate(async () => {
    const attempts = [
      () => {
        const inline = document.createElement('script');
        inline.append('window.ran = 1');
        document.head.append(inline);
      },
      () => {
        const picture = document.createElement('img');
        picture.setAttribute('onerror', 'window.ran = 1');
        picture.src = 'data:image/png;base64,AAAA';
        document.body.append(picture);
      },
      () => {
        const foreign = document.createElement('script');
        foreign.src = 'https://scripts.example/a.js';
        document.head.append(foreign);
      },
      () => document.body.insertAdjacentHTML('beforeend', '<svg onload="window.ran = 1"></svg>'),
    ];
    const fails = (attempt: () => void): boolean => {
      try {
        attempt();
        return false;
      } catch {
        return true;
      }
    };
    const failed = attempts.filter(fails).length;
    // In a task of its own: what the test driver runs directly may always evaluate text.
    const evalFailed = await new Promise((done) => setTimeout(() => done(fails(() => new Function('window.ran = 1')()))));
    return { failed, evalFailed };
  });
  expect(stopped, 'the inline script is taken in and not run; all else fails at once').toEqual({ failed: 3, evalFailed: true });
  await expect.poll(() => ada.page.evaluate(() => window.probe.violations.length), 'the browser reports what it stopped').toBeGreaterThan(0);
  expect(await ada.page.evaluate(() => 'ran' in window)).toBe(false);
  expect(bare, 'answers without the policy').toEqual([]);
  // These violations were this test's own doing; what the page itself does is watched in every test.
  await ada.page.evaluate(() => window.probe.violations.splice(0));
});

test('U7: a whole call asks nobody but its own server, relays and STUN servers included', async ({ people, newMeeting, server }) => {
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectToSee(ada, ben);
  await ada.say('Hello');
  await ben.openPanel('Chat');
  await ben.button('Mute microphone').click();
  await ben.leave();
  for (const person of [ada, ben]) {
    expect(person.requests.length).toBeGreaterThan(3);
    expect(await person.complaints()).toEqual([]);
    const iceServers = await person.page.evaluate(() =>
      window.probe.connections.flatMap((connection) => (connection.getConfiguration().iceServers ?? []).flatMap(({ urls }) => urls)));
    expect(iceServers.length).toBeGreaterThan(0);
    for (const address of iceServers) expect(address).toMatch(/^(stun|turns?):(127\.0\.0\.1|localhost)[:?]/);
  }
  expect(new URL(server.origin).hostname).toBe('localhost');
});

test('U4: the page cannot be put into a frame', async ({ people, newMeeting, server }) => {
  const code = await newMeeting();
  const ada = await people.arrive('Ada');
  const answer = await ada.page.request.get(`${server.origin}/m/${code}`);
  expect(answer.headers()['content-security-policy']).toContain("frame-ancestors 'none'");
  expect(answer.headers()['x-frame-options']).toBe('DENY');
});
