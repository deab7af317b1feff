import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { resolve } from 'node:path';
import type { Place } from './harness/people';
import { expectAllToMeet } from './harness/senses';
import { ADMIN, Hearth } from './harness/server';
import { expect, test as base } from './harness/test';

// Two browsers, each behind a router of its own, meet on a server that only their routers can reach. tests/networks/world.sh makes
// this little internet and tells its addresses; tests/networks/run.sh starts this file where the server stands.

const HOST = { name: 'meet.test', address: '45.0.0.10' };
const FOLDER = resolve('../tests/networks');
/** A call that lost its way tries to go on as it is before it looks for another. */
const BACK_WITHIN_MS = 60_000;

type Network = 'cone' | 'symmetric' | 'noudp' | 'tcp443';

const run = promisify(execFile);

function prefix(): string {
  const given = process.env['HEARTH_NETWORKS'];
  if (given === undefined) throw new Error('these tests need their networks: start them with tests/networks/run.sh');
  return given;
}

/** What both routers do from now on, to connections that are there already too. */
async function allow(network: Network): Promise<void> {
  await run(resolve(FOLDER, 'world.sh'), ['allow', prefix(), network]);
}

function at(namespace: 'alice' | 'bob'): Place {
  return { browser: resolve(FOLDER, 'browser.sh'), environment: { HEARTH_NAMESPACE: `${process.env['HEARTH_NETWORKS']}${namespace}` }, ...HOST };
}

const test = base.extend({
  server: [async ({}, use) => {
    const server = await Hearth.startAt(`https://${HOST.name}`, [
      '[server]',
      'listen = ["0.0.0.0:443"]',
      `public_url = "https://${HOST.name}"`,
      '[relay]',
      'listen = ["0.0.0.0:3478"]',
      'listen_tls = ["0.0.0.0:5349"]',
      `address = "${HOST.address}"`,
    ].join('\n'));
    await use(server);
    await server.dispose();
  }, { scope: 'worker' }],
});

test.use({ places: { Ada: at('alice'), Ben: at('bob') } });

test('routers that keep a port for all destinations: the call goes past the relay', async ({ people, newMeeting }) => {
  await allow('cone');
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectAllToMeet([ada, ben]);
  for (const person of [ada, ben]) await expect.poll(async () => (await person.routes()).join()).toMatch(/^(srflx|prflx) to (srflx|prflx)$/);
});

test('R7: symmetric NAT on both sides: the call goes through the relay, though it has no route to what else the two offer', async ({ people, newMeeting }) => {
  await expect(run('ip', ['route', 'get', '46.0.1.2'])).rejects.toThrow('No route to host');
  await expect(run('ip', ['route', 'get', '46.0.2.2'])).rejects.toThrow('Network is unreachable');
  await allow('symmetric');
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectAllToMeet([ada, ben]);
  for (const person of [ada, ben]) expect((await person.routes()).join()).toContain('relay');
  await expect.poll(async () => [...new Set([...(await ada.relayProtocols()), ...(await ben.relayProtocols())])]).toEqual(['udp']);
});

test('R7: no UDP: both reach the relay by TCP or TLS', async ({ people, newMeeting }) => {
  await allow('noudp');
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectAllToMeet([ada, ben]);
  for (const person of [ada, ben]) expect((await person.relayProtocols()).join()).toMatch(/^(tcp|tls)$/);
});

test('R7: nothing but TCP to port 443: both reach the relay by TLS', async ({ people, newMeeting }) => {
  await allow('tcp443');
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectAllToMeet([ada, ben]);
  for (const person of [ada, ben]) expect(await person.relayProtocols()).toEqual(['tls']);
});

test('R7: a firewall closes during a call: the call comes back by TLS', async ({ people, newMeeting }) => {
  await allow('symmetric');
  const [ada, ben] = await people.meet(await newMeeting(), ['Ada', 'Ben']);
  await expectAllToMeet([ada, ben]);
  await allow('tcp443');
  for (const person of [ada, ben]) await expect.poll(() => person.relayProtocols(), { timeout: BACK_WITHIN_MS }).toEqual(['tls']);
  await expectAllToMeet([ada, ben], BACK_WITHIN_MS);
});

test('O10: no UDP: the phone that looks from outside says so, and the administrator reads what mends it', async ({ people, newMeeting }) => {
  await allow('noudp');
  // With it the administrator's account is there.
  await newMeeting();
  const ada = await people.arrive('Ada', { called: ADMIN.name });
  await ada.signIn(ADMIN.email, ADMIN.password);
  await ada.open('/admin/doctor');
  await ada.button('Make a link').click();
  const link = (await ada.page.locator('code.address').textContent()) ?? '';
  const ben = await people.arrive('Ben');
  await ben.page.goto(link);
  await expect(ben.page.getByRole('status')).toContainText('Done.', { timeout: BACK_WITHIN_MS });
  for (const [way, onThePhone, forTheAdmin] of [['udp', 'missed', 'bad'], ['tcp', 'reached', 'good'], ['tls', 'reached', 'good']] as const) {
    await expect(ben.page.locator(`[data-way="${way}"]`)).toHaveAttribute('data-outcome', onThePhone);
    await expect(ada.page.locator(`[data-check="outside_${way}"]`)).toHaveAttribute('data-outcome', forTheAdmin, { timeout: BACK_WITHIN_MS });
  }
  await expect(ada.page.locator('[data-check="outside_udp"]')).toContainText('sudo ufw allow 3478/udp');
});
