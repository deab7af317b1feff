import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium, type Page } from '@playwright/test';
import type { TrustInfo } from '../../src/wire/TrustInfo';
import { expect, test } from './harness/test';
import { Hearth } from './harness/server';

const run = promisify(execFile);

const SYSTEMS = {
  'iPhone, iPad': 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
  Android: 'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36',
  Windows: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36',
  Mac: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
  Linux: 'Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0',
} as const;

function announced(server: Hearth, what: string): string {
  const line = server.log.split('\n').findLast((text) => text.startsWith(`${what}: `));
  if (line === undefined) throw new Error(`the server announced no ${what}:\n${server.log}`);
  return line.slice(what.length + 2).trim();
}

/** What the link of this name gives to those who click it. */
async function download(page: Page, name: string): Promise<{ file: string; text: string }> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name, exact: true }).click()]);
  return { file: download.suggestedFilename(), text: await readFile(await download.path(), 'utf8') };
}

test('O2: a visitor finds out how to trust the server, and what to compare', async ({ people, server }) => {
  const visitor = await people.arrive('Ada');
  await visitor.open('/');
  await visitor.page.getByRole('link', { name: 'Trust this server' }).click();
  const main = visitor.page.getByRole('main');
  await expect(main.getByRole('heading', { level: 1 })).toHaveText('Trust this server');
  expect(visitor.page.url()).toBe(`${server.origin}/trust`);
  const fingerprint = (await main.locator('.fingerprint').innerText()).replace(/\s/g, '');
  expect(fingerprint).toBe(announced(server, 'authority'));
  expect(announced(server, 'trust')).toBe(`${server.origin}/trust`);
  const code = main.getByRole('img', { name: /QR code of https:/ });
  await expect(code).toBeVisible();
  expect(await code.evaluate((image: HTMLImageElement) => image.complete && image.naturalWidth > 0)).toBe(true);

  const info: TrustInfo = await visitor.page.evaluate(async () => (await fetch('/api/trust')).json());
  for (const system of Object.keys(SYSTEMS)) {
    await main.getByRole('radio', { name: system, exact: true }).check();
    const steps = main.getByRole('region', { name: `Steps for ${system}` });
    await expect(steps).toBeVisible();
    await expect(steps).not.toContainText('{');
  }
  await main.getByRole('radio', { name: 'Mac', exact: true }).check();
  await expect(main).toContainText(`find “${info.authority?.name}”`);
  const certificate = await download(visitor.page, 'Download certificate');
  expect(certificate.file).toBe('hearth-ca.crt');
  expect(certificate.text).toMatch(/^-----BEGIN CERTIFICATE-----\n[\w+/=\n]+-----END CERTIFICATE-----\n$/);
  await main.getByRole('radio', { name: 'iPhone, iPad' }).check();
  const profile = await download(visitor.page, 'Download profile');
  expect(profile.file).toBe('hearth.mobileconfig');
  expect(profile.text).toContain(certificate.text.split('\n').slice(1, -2).join(''));
});

for (const [system, userAgent] of Object.entries(SYSTEMS)) {
  test(`O2: visitors with ${system} see its steps first`, async ({ people }) => {
    const visitor = await people.arrive('Ada', { context: { userAgent } });
    await visitor.open('/trust');
    await expect(visitor.page.getByRole('radio', { name: system, exact: true })).toBeChecked();
  });
}

/** Chromium with a home of its own, which checks certificates as it does for everybody. */
async function visit(home: string, address: string): Promise<{ security: { state: string; summary: string }; title: string }> {
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM_BIN'] ?? '/usr/bin/chromium',
    env: { ...process.env, HOME: home },
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
    ],
  });
  try {
    const page = await (await browser.newContext()).newPage();
    const session = await page.context().newCDPSession(page);
    await session.send('Security.enable');
    const states: { state: string; summary: string }[] = [];
    session.on('Security.visibleSecurityStateChanged', ({ visibleSecurityState: { securityState, certificateSecurityState } }) => {
      states.push({ state: securityState, summary: certificateSecurityState?.certificateNetworkError ?? '' });
    });
    await page.goto(address);
    await expect(page.getByRole('main')).toBeVisible();
    await expect.poll(() => states.at(-1)?.state).not.toBe('neutral');
    return { security: states.at(-1) ?? { state: 'none', summary: '' }, title: await page.title() };
  } finally {
    await browser.close();
  }
}

test('O2: a browser that was given the authority opens the page by name and address without a warning, also after a renewal', async ({ server }) => {
  const home = await mkdtemp(join(tmpdir(), 'hearth-e2e-home-'));
  try {
    // Chromium's list of authorities has lain in either place.
    const lists = ['.pki/nssdb', '.local/share/pki/nssdb'].map((list) => join(home, list));
    for (const list of lists) {
      await mkdir(list, { recursive: true });
      await run('certutil', ['-N', '-d', `sql:${list}`, '--empty-password']);
    }
    await expect(visit(home, `${server.origin}/trust`), 'without it, the browser warns').rejects.toThrow(/ERR_CERT_AUTHORITY_INVALID/);
    const authority = join(home, 'hearth-ca.crt');
    await writeFile(authority, await readFile(join(server.dataFolder, 'tls', 'ca.pem')));
    for (const list of lists) await run('certutil', ['-A', '-d', `sql:${list}`, '-n', 'hearth', '-t', 'C,,', '-i', authority]);
    const byAddress = server.origin.replace('localhost', '127.0.0.1');
    const looks = async (): Promise<void> => {
      for (const origin of [server.origin, byAddress]) {
        const { security, title } = await visit(home, `${origin}/trust`);
        expect(security, origin).toEqual({ state: 'secure', summary: '' });
        expect(title).toContain('Trust this server');
      }
    };
    await looks();
    const before = announced(server, 'fingerprint');
    await server.stop();
    await rm(join(server.dataFolder, 'tls', 'cert.pem'));
    await server.startAgain();
    expect(announced(server, 'fingerprint')).not.toBe(before);
    await looks();
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});

test('O2: where the administrator gave a certificate, visitors are told that there is nothing to do', async ({ people, server }) => {
  // Any certificate for localhost will do; another server's is one.
  const [certificate, key] = ['cert.pem', 'key.pem'].map((file) => join(server.dataFolder, 'tls', file));
  const other = await Hearth.start(`[tls]\ncertificate_file = "${certificate}"\nkey_file = "${key}"\n`);
  try {
    const visitor = await people.arrive('Ada', { at: other });
    await visitor.open('/trust');
    await expect(visitor.page.getByRole('heading', { level: 1 })).toHaveText('There is nothing to do');
    await expect(visitor.page.getByRole('main')).toContainText('The administrator of this server has given it a certificate.');
    await expect(visitor.page.getByRole('link', { name: /Download/ })).toHaveCount(0);
    await visitor.open('/');
    await expect(visitor.page.getByRole('textbox', { name: 'Meeting code or link' })).toBeVisible();
    await expect(visitor.page.getByRole('link', { name: 'Trust this server' })).toHaveCount(0);
  } finally {
    await other.dispose();
  }
});
