import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { resolve } from 'node:path';
import type { Person, Place } from './harness/people';
import { expectAllToMeet } from './harness/senses';
import { ADMIN, Hearth } from './harness/server';
import { expect, type People, test as base } from './harness/test';

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

/** Bob's router lets no connections to these TCP ports begin, on top of what it does already. Those that are there go on. */
async function closeForBob(ports: readonly number[]): Promise<void> {
  const rule = `insert rule ip home through oifname "wan0" tcp dport { ${ports.join(', ')} } tcp flags & (syn | ack) == syn drop`;
  await run('ip', ['netns', 'exec', `${prefix()}rb`, 'nft', rule]);
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

type Outcomes = Readonly<Record<'udp' | 'tcp' | 'tls', 'reached' | 'missed'>>;

/**
 * Ada, the administrator, makes a link. Ben's browser, which is the phone, opens it, and `close` happens when its page is there and
 * has tried nothing yet. Both must be told the same.
 */
async function lookFromOutside(people: People, close: () => Promise<void>, outcomes: Outcomes): Promise<Person> {
  const ada = await people.arrive('Ada', { called: ADMIN.name });
  await ada.signIn(ADMIN.email, ADMIN.password);
  await ada.open('/admin/doctor');
  await ada.button('Make a link').click();
  const link = (await ada.page.locator('code.address').textContent()) ?? '';
  const ben = await people.arrive('Ben');
  await ben.page.route('**/api/check/begin', async (route) => {
    await close();
    await route.continue();
  });
  await ben.page.goto(link);
  await expect(ben.page.getByRole('status')).toContainText('Done.', { timeout: BACK_WITHIN_MS });
  for (const way of ['udp', 'tcp', 'tls'] as const) {
    // Calls need UDP; the others are for some networks only.
    const forTheAdmin = outcomes[way] === 'reached' ? 'good' : way === 'udp' ? 'bad' : 'warning';
    await expect(ben.page.locator(`[data-way="${way}"]`)).toHaveAttribute('data-outcome', outcomes[way]);
    await expect(ada.page.locator(`[data-check="outside_${way}"]`)).toHaveAttribute('data-outcome', forTheAdmin, { timeout: BACK_WITHIN_MS });
  }
  return ada;
}

for (const { what, network, ports, outcomes, mend } of [
  { what: 'no UDP', network: 'noudp', ports: [], outcomes: { udp: 'missed', tcp: 'reached', tls: 'reached' }, mend: ['udp', '3478/udp'] },
  { what: 'no TCP to the relay', network: 'symmetric', ports: [3478], outcomes: { udp: 'reached', tcp: 'missed', tls: 'reached' }, mend: ['tcp', '3478/tcp'] },
  { what: 'no TLS to the relay', network: 'symmetric', ports: [443, 5349], outcomes: { udp: 'reached', tcp: 'reached', tls: 'missed' }, mend: ['tls', '443/tcp'] },
] as const) {
  test(`O10: ${what}: the phone that looks from outside says so, and the administrator reads what mends it`, async ({ people, newMeeting }) => {
    await allow(network);
    // With it the administrator's account is there.
    await newMeeting();
    const close = async (): Promise<void> => {
      if (ports.length > 0) await closeForBob(ports);
    };
    const ada = await lookFromOutside(people, close, outcomes);
    const [way, door] = mend;
    await expect(ada.page.locator(`[data-check="outside_${way}"]`)).toContainText(`sudo ufw allow ${door}`);
  });
}
