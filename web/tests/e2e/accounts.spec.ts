import type { Person } from './harness/people';
import { expectAllToMeet } from './harness/senses';
import { ADMIN, Hearth } from './harness/server';
import { expect, test } from './harness/test';

async function fillAccount(person: Person, account: { email: string; name: string; password: string }): Promise<void> {
  await person.page.getByLabel('E-mail address').fill(account.email);
  await person.page.getByLabel('Name', { exact: true }).fill(account.name);
  await person.page.getByLabel('Password', { exact: true }).fill(account.password);
}

test('A7: from the one-time link to a meeting with somebody who registered and was sent the link', async ({ people }) => {
  const server = await Hearth.start();
  try {
    const grace = await people.arrive('Ada', { called: ADMIN.name, at: server });
    await grace.page.goto(server.setupLink);
    await grace.button('Skip').click();
    await grace.button('Continue').click();
    await fillAccount(grace, ADMIN);
    await grace.button('Create admin account').click();
    await grace.button('Skip').click();
    await grace.button('Continue').click();
    await grace.button('Not now').click();
    await grace.page.getByRole('textbox', { name: 'Meeting title' }).fill('Thursday choir');
    await grace.button('Create meeting').click();
    await grace.button('Copy link').first().click();
    const link = await grace.page.evaluate(() => navigator.clipboard.readText());
    expect(link).toMatch(new RegExp(`^${server.origin}/m/[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}$`));
    await grace.button('Start').first().click();
    await expect(grace.page.getByRole('main')).toContainText('Thursday choir');
    await grace.getReady();
    await grace.enter();

    const linus = await people.arrive('Ben', { called: 'Linus', at: server });
    await linus.open('/register');
    await fillAccount(linus, { email: 'linus@example.org', name: 'Linus', password: 'another long password' });
    await linus.button('Create account').click();
    await linus.page.getByRole('textbox', { name: 'Meeting code or link' }).fill(link);
    await linus.button('Join').click();
    await linus.getReady();
    await linus.enter();
    await expectAllToMeet([grace, linus]);

    const mallory = await people.arrive('Cem', { called: 'Mallory', at: server });
    await mallory.page.goto(server.setupLink);
    await expect(mallory.page.getByRole('main')).toContainText(/already|used|no longer|expired/i);
    await expect(mallory.button('Create admin account')).toHaveCount(0);
    await expect(mallory.button('Create meeting')).toHaveCount(0);
  } finally {
    await server.dispose();
  }
});

test('A1: signing in and out, and what is wrong with a sign-in is said in words', async ({ people, server, newMeeting }) => {
  await newMeeting({ title: 'Readable on the home page' });
  const grace = await people.arrive('Ada', { called: ADMIN.name });
  await grace.open('/signin');
  await grace.page.getByLabel('E-mail address').fill(ADMIN.email);
  await grace.page.getByLabel('Password', { exact: true }).fill('not the password');
  await grace.button('Sign in').click();
  await expect(grace.page.getByRole('main').getByRole('alert')).toContainText(/password/i);
  await grace.signIn(ADMIN.email, ADMIN.password);
  await expect(grace.page.getByRole('main')).toContainText('Readable on the home page');
  await grace.page.reload();
  await expect(grace.button('Create meeting'), 'a reload keeps one signed in').toBeVisible();
  await grace.button('Sign out').click();
  await expect(grace.button('Create meeting')).toHaveCount(0);
  await grace.open('/');
  await expect(grace.page.getByRole('textbox', { name: 'Meeting code or link' })).toBeVisible();
  await expect(grace.button('Create meeting'), 'signed out is signed out after a reload too').toHaveCount(0);
  expect(server.log).not.toContain(ADMIN.password);
});

test('U6: no token can be read by scripts, and the cookie is guarded', async ({ people, newMeeting }) => {
  const code = await newMeeting();
  const grace = await people.arrive('Ada', { called: ADMIN.name });
  await grace.signIn(ADMIN.email, ADMIN.password);
  await grace.join(code);
  const stored = await grace.page.evaluate(() => JSON.stringify([{ ...localStorage }, document.cookie]));
  expect(stored).not.toMatch(/eyJ[\w-]+\.|token/i);
  const cookies = await grace.context.cookies();
  expect(cookies).not.toHaveLength(0);
  for (const cookie of cookies) {
    expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: expect.stringMatching(/Strict|Lax/) });
    expect(cookie.name).toMatch(/^__(Host|Secure)-/);
  }
});
