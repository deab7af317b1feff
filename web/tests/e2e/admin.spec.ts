import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificateFiles } from './harness/certificate';
import { PATIENCE_MS } from './harness/people';
import { ADMIN, Hearth } from './harness/server';
import { expect, test } from './harness/test';

test('O6: an administrator sees how the place is doing, kept up to date, and others are sent home', async ({ people, newMeeting }) => {
  const code = await newMeeting({ title: 'Thursday choir' });
  const grace = await people.arrive('Ada', { called: ADMIN.name });
  await grace.open('/admin');
  const main = grace.page.getByRole('main');
  await expect(main, 'nobody is signed in').toContainText('Sign in with an administrator’s account');
  await expect(grace.page.getByRole('region', { name: 'Now' })).toHaveCount(0);
  expect(grace.requests.filter((url) => url.includes('/api/admin'))).toEqual([]);

  await grace.signIn(ADMIN.email, ADMIN.password);
  await grace.page.getByRole('link', { name: 'Administration' }).click();
  await expect(grace.page.getByRole('heading', { name: 'Status', level: 1 })).toBeFocused();
  const now = grace.page.getByRole('region', { name: 'Now' });
  await expect(now).toContainText('Nobody is in a meeting.');
  const totals = grace.page.getByRole('region', { name: 'Since the server started' });
  await expect(grace.page.getByRole('region', { name: 'Certificate' })).toContainText('localhost');
  await expect(grace.page.getByRole('region', { name: 'Relay' })).toContainText('In use by UDP, TCP, TLS');
  await expect(grace.page.getByRole('region', { name: 'Server', exact: true })).toContainText(/Memory\s*[\d.]+ MB/);
  await expect(grace.page.getByRole('region', { name: 'Warnings and errors' })).toBeVisible();
  await expect(grace.page.getByRole('navigation', { name: 'Administration' }).getByRole('link', { name: 'Status' })).toHaveAttribute('aria-current', 'page');

  const [ben, cem] = await people.meet(code, ['Ben', 'Cem']);
  await expect(now).toContainText('2 people');
  await expect(now.getByRole('link', { name: 'Thursday choir' }), 'her own meeting has its name').toBeVisible();
  await expect(totals).toContainText('100 %');
  await ben.leave();
  await cem.leave();
  await expect(now).toContainText('Nobody is in a meeting.');

  const before = await grace.page.getByRole('region', { name: 'Server', exact: true }).innerText();
  grace.cable.cut();
  await expect(main.getByRole('alert')).toContainText('The server did not answer. What you see is from', { timeout: 60_000 });
  expect(await grace.page.getByRole('region', { name: 'Server', exact: true }).innerText()).toBe(before);
  grace.cable.mend();
  await expect(main.getByRole('alert')).toHaveCount(0);

  const linus = await people.arrive('Ben', { called: 'Linus' });
  await linus.open('/register');
  await linus.page.getByLabel('E-mail address').fill('linus-of-the-status@example.org');
  await linus.page.getByLabel('Name', { exact: true }).fill('Linus');
  await linus.page.getByLabel('Password', { exact: true }).fill('another long password');
  await linus.button('Create account').click();
  await expect(linus.page.getByRole('button', { name: 'Create meeting' })).toBeVisible();
  await expect(linus.page.getByRole('link', { name: 'Administration' })).toHaveCount(0);
  await linus.open('/admin');
  await expect(linus.page.getByRole('main')).toContainText('This page is for the administrators of this place.');
  await linus.page.getByRole('main').getByRole('link', { name: 'Home' }).click();
  await expect(linus.page.getByRole('button', { name: 'Create meeting' })).toBeVisible();
});

test('O6: what is wrong with the backup and the certificate stands first, beside the disk, the version and the log’s own words', async ({ people }) => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-e2e-status-'));
  // A directory can't be made below a file, whoever tries.
  const file = join(folder, 'a-file');
  await writeFile(file, '');
  const tls = await certificateFiles(folder, 80, 10);
  const server = await Hearth.start(`${tls}[backup]\ndirectory = "${join(file, 'backups')}"\n`);
  try {
    await server.setUp();
    await server.stop();
    const twoDaysAgo = new Date(Date.now() - 48 * 3600_000);
    await utimes(join(server.dataFolder, 'store', 'created'), twoDaysAgo, twoDaysAgo);
    await server.startAgain();
    const grace = await people.arrive('Ada', { called: ADMIN.name, at: server });
    await grace.signIn(ADMIN.email, ADMIN.password);
    await grace.open('/admin');
    const region = (name: string) => grace.page.getByRole('region', { name, exact: true });
    await expect(region('Needs your attention')).toContainText('The daily backup could not be made', { timeout: PATIENCE_MS });
    await expect(region('Needs your attention')).toContainText('set backup.directory to a place with room');
    await expect(region('Needs your attention')).toContainText(/The certificate expires .+, and no other has come\./);
    await expect(region('Certificate')).toContainText('Your own files');
    await expect(region('Server')).toContainText(/Version\s*\d+\.\d+\.\d+/);
    await expect(region('Server')).toContainText(/Free on the disk\s*[\d.,]+ [GTM]B of [\d.,]+ [GT]B/);
    await expect(region('Server')).toContainText(/Last backup\s*None yet/);
    const remarks = region('Warnings and errors').getByRole('listitem');
    await expect(remarks.filter({ hasText: 'the daily backup could not be made' })).toContainText(/^Warning/);
    await expect(remarks.filter({ hasText: 'less than a third of the certificate' })).toHaveCount(1);
  } finally {
    await server.dispose();
    await rm(folder, { recursive: true });
  }
});

test('A7: whoever comes to the first page loads nothing of the pages for administrators', async ({ people }) => {
  const ada = await people.arrive('Ada');
  await ada.open('/');
  await expect(ada.page.getByRole('textbox', { name: 'Meeting code or link' })).toBeVisible();
  expect(ada.requests.filter((url) => /StatusPage|admin/i.test(url))).toEqual([]);
});
