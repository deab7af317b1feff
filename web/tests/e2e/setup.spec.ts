import { Authority } from './harness/authority';
import type { Person } from './harness/people';
import { ADMIN, Hearth } from './harness/server';
import { expect, type People, test } from './harness/test';

async function expectStep(person: Person, title: string): Promise<void> {
  await expect(person.page.getByRole('heading', { name: title, level: 1 })).toBeVisible();
}

/** Fills in the step that makes the first account, and sends it off. */
async function makeAdmin(person: Person, password: string = ADMIN.password): Promise<void> {
  await person.page.getByLabel('Name', { exact: true }).fill(ADMIN.name);
  await person.page.getByLabel('E-mail address').fill(ADMIN.email);
  await person.page.getByLabel('Password', { exact: true }).fill(password);
  await person.button('Create admin account').click();
}

/** The administrator of a server that was just set up, in front of its settings. */
async function settingsOf(server: Hearth, people: People): Promise<Person> {
  await server.setUp();
  const grace = await people.arrive('Ada', { called: ADMIN.name, at: server });
  await grace.signIn(ADMIN.email, ADMIN.password);
  await grace.open('/admin/settings');
  return grace;
}

test('O2: the one-time link leads through all steps to a first meeting, back and forth, over reloads, and no file is edited', async ({ people }) => {
  const server = await Hearth.start();
  try {
    const grace = await people.arrive('Ada', { called: ADMIN.name, at: server });
    const { page } = grace;
    await page.goto(server.setupLink);
    await expectStep(grace, 'Name and address');
    expect(new URL(page.url()).hash, 'the secret does not stay in the address bar').toBe('');
    await expect(page.getByLabel('Name of this place')).toHaveValue('Hearth');
    await page.getByLabel('Name of this place').fill('The Lodge');
    await page.getByLabel('Address').fill('http://lodge.example.org');
    await grace.button('Continue').click();
    await expect(page.getByRole('main')).toContainText('Write it like https://meet.example.org');
    await expect(page.getByLabel('Name of this place'), 'nothing that was written is lost').toHaveValue('The Lodge');
    await page.getByLabel('Address').fill('https://lodge.example.org');
    await grace.button('Continue').click();

    await expectStep(grace, 'Certificate');
    await expect(page.getByRole('radio', { name: 'A public authority' })).toBeChecked();
    await expect(page.getByRole('main')).toContainText('lodge.example.org must lead to this server');
    await page.reload();
    await expectStep(grace, 'Certificate');
    await grace.button('Continue').click();
    await expectStep(grace, 'Administrator');
    await grace.button('Back').click();
    await expectStep(grace, 'Certificate');
    await grace.button('Back').click();
    await expect(page.getByLabel('Address')).toHaveValue('https://lodge.example.org');
    await page.getByLabel('Address').fill('');
    await expect(page.getByLabel('Address')).toHaveValue('');
    await grace.button('Continue').click();
    await expect(page.getByRole('main')).toContainText('known by names of your own network');
    await expect(page.getByRole('radio'), 'there is nothing to choose').toHaveCount(0);
    await expect(page.getByRole('link', { name: 'How to trust it on a phone or a computer' })).toHaveAttribute('href', '/trust');
    await grace.button('Continue').click();

    await expectStep(grace, 'Administrator');
    await page.reload();
    await makeAdmin(grace, 'short');
    await expect(page.getByRole('main'), 'the link still works after a mistake').toContainText(/8/);
    await page.getByLabel('Password', { exact: true }).fill(ADMIN.password);
    await grace.button('Create admin account').click();

    await expectStep(grace, 'Accounts');
    expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).not.toContain(new URL(server.setupLink).hash.slice(1));
    await page.reload();
    await expectStep(grace, 'Accounts');
    await page.getByRole('radio', { name: 'Nobody' }).check();
    await grace.button('Continue').click();

    await expectStep(grace, 'Relay');
    await expect(page.getByRole('status')).toContainText('The relay works: a packet went through it at 127.0.0.1');
    await grace.button('Back').click();
    await expect(page.getByRole('radio', { name: 'Nobody' })).toBeChecked();
    await grace.button('Continue').click();
    await grace.button('Continue').click();

    await expectStep(grace, 'First meeting');
    await Promise.all([page.waitForResponse('**/api/admin/settings'), page.reload()]);
    await expectStep(grace, 'First meeting');
    await expect(page.getByRole('main'), 'what was chosen for an address that was taken back is not awaited').not.toContainText('The certificate for');
    await grace.button('Start the first meeting').click();
    await expect(page).toHaveURL(/\/m\/[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}$/);
    await grace.getReady();
    await grace.enter();

    const linus = await people.arrive('Ben', { called: 'Linus', at: server });
    await linus.open('/');
    await expect(linus.page.getByRole('banner'), 'what was decided holds').toContainText('The Lodge');
    await expect(linus.page.getByRole('link', { name: 'Create account' })).toHaveCount(0);
    await linus.page.goto(server.setupLink);
    await expect(linus.page.getByRole('main'), 'the link worked once').toContainText('This place is set up already.');
  } finally {
    await server.dispose();
  }
});

test('O2: setting up with a public name ends with a certificate for it, without a restart and without leaving the page', async ({ people }) => {
  const authority = await Authority.prepare();
  const server = await Hearth.start(authority.settings);
  try {
    const grace = await people.arrive('Ada', { called: ADMIN.name, at: server });
    const { page } = grace;
    await page.goto(server.setupLink);
    const address = `https://meet.hearth-club.net:${server.port}`;
    await page.getByLabel('Address').fill(address);
    await grace.button('Continue').click();
    await page.getByRole('radio', { name: 'This server itself' }).check();
    await expect(page.getByRole('link', { name: 'How to trust it on a phone or a computer' })).toBeVisible();
    await page.getByRole('radio', { name: 'A public authority' }).check();
    await grace.button('Continue').click();
    await makeAdmin(grace);
    await expectStep(grace, 'Accounts');
    await grace.button('Continue').click();
    await expectStep(grace, 'Relay');
    await grace.button('Continue').click();
    await expectStep(grace, 'First meeting');
    const main = page.getByRole('main');
    await expect(main).toContainText('The certificate for meet.hearth-club.net is not here yet.');
    await expect(main, 'what is in the way is told').toContainText("can't be asked");
    await authority.start(server.port);
    await expect(main).toContainText('The certificate for meet.hearth-club.net is here.', { timeout: 60_000 });
    await expect(page.getByRole('link', { name: address })).toHaveAttribute('href', address);
    await grace.button('Start the first meeting').click();
    await expect(page, 'who came by another name goes on by it').toHaveURL(/\/m\/[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}$/);
    await grace.getReady();
    await grace.enter();
  } finally {
    await server.dispose();
    await authority.dispose();
  }
});

test('O2: what a file decides is shown as decided in the steps of setting up, and nothing is awaited that will not come', async ({ people }) => {
  const server = await Hearth.start('[tls]\nmode = "local"\n[accounts]\nregistration = "closed"\n');
  try {
    const grace = await people.arrive('Ada', { called: ADMIN.name, at: server });
    const { page } = grace;
    const main = page.getByRole('main');
    await page.goto(server.setupLink);
    await page.getByLabel('Address').fill('https://meet.hearth-club.net');
    await grace.button('Continue').click();
    await page.getByRole('radio', { name: 'A public authority' }).check();
    await grace.button('Continue').click();
    await makeAdmin(grace);
    await expectStep(grace, 'Accounts');
    await expect(page.getByRole('radio', { name: 'Nobody' })).toBeChecked();
    await expect(page.getByRole('radio', { name: 'Nobody' })).toBeDisabled();
    await expect(main).toContainText('Set in the configuration file.');
    await grace.button('Back').click();
    await expectStep(grace, 'Certificate');
    await expect(page.getByRole('radio'), 'there is nothing to choose').toHaveCount(0);
    await expect(main).toContainText('This server’s own authority');
    await expect(main).toContainText('Set in the configuration file.');
    await grace.button('Continue').click();
    await grace.button('Continue').click();
    await expectStep(grace, 'Relay');
    await grace.button('Continue').click();
    await expectStep(grace, 'First meeting');
    await expect(main).toContainText('Certificate: This server’s own authority');
    await expect(main).not.toContainText('is not here yet');
    await grace.button('Not now').click();
    await expect(grace.button('Create meeting')).toBeVisible();
  } finally {
    await server.dispose();
  }
});

test('R26: what is wrong with the certificate stands on the administrators’ first page, and goes when it is mended', async ({ people }) => {
  const authority = await Authority.prepare();
  const server = await Hearth.start(authority.settings);
  try {
    const grace = await settingsOf(server, people);
    const { page } = grace;
    await page.getByLabel('Address', { exact: true }).fill(`https://meet.hearth-club.net:${server.port}`);
    await page.getByLabel('Where it comes from').selectOption('A public authority (ACME)');
    await grace.button('Save changes').click();
    await expect(page.getByText('Saved.')).toBeVisible();
    await grace.open('/admin');
    const problems = page.getByRole('region', { name: 'Needs your attention' });
    await expect(problems).toContainText('The certificate authority localhost can\'t be asked', { timeout: 20_000 });
    await expect(problems).toContainText('Meanwhile this server\'s own certificate authority stands in');
    await expect(page.getByRole('region', { name: 'Certificate' })).toContainText('This server’s own authority');
    await authority.start(server.port);
    await expect(page.getByRole('region', { name: 'Certificate' })).toContainText('A public authority, renewed by itself', { timeout: 60_000 });
    await expect(problems).toHaveCount(0);
  } finally {
    await server.dispose();
    await authority.dispose();
  }
});

test('O5: an administrator changes settings in the browser, sees what is wrong beside its field, and what a file decides', async ({ people }) => {
  const server = await Hearth.start('[meetings]\nmax_participants = 4\n');
  try {
    const grace = await settingsOf(server, people);
    const { page } = grace;
    const save = grace.button('Save changes');
    await expect(page.getByLabel('People in one meeting, at most')).toBeDisabled();
    await expect(page.getByRole('region', { name: 'Meetings' })).toContainText('Set in the configuration file.');
    await expect(save).toBeDisabled();
    await page.getByLabel('Name', { exact: true }).fill('The Lodge');
    await page.getByLabel('Address', { exact: true }).fill('lodge.example.org');
    await page.getByLabel('Connections at once', { exact: true }).fill('3');
    await save.click();
    await expect(page.getByRole('region', { name: 'This place' })).toContainText('write it like "https://meet.example.org"');
    await expect(page.getByRole('region', { name: 'Limits' })).toContainText('write 10 or more');
    await expect(page.getByLabel('Address', { exact: true }), 'the first that is wrong has the focus').toBeFocused();
    await expect(page.getByLabel('Name', { exact: true })).toHaveValue('The Lodge');
    await page.getByLabel('Address', { exact: true }).fill('');
    await page.getByLabel('Connections at once', { exact: true }).fill('300');
    await grace.button('Add a server').click();
    await page.getByLabel('Addresses').fill('turn:turn.example.org');
    await page.getByLabel('How it is opened').selectOption('By a shared secret (use-auth-secret)');
    await page.getByLabel('Secret', { exact: true }).fill('hush-hush');
    await save.click();
    await expect(page.getByText('Saved.')).toBeVisible();
    await expect(page.getByRole('banner')).toContainText('The Lodge');
    await page.reload();
    await expect(page.getByLabel('Addresses')).toHaveValue('turn:turn.example.org');
    await expect(page.getByLabel('Secret', { exact: true }), 'what is secret is not told again').toHaveValue('');
    await expect(page.getByRole('main')).toContainText('It is kept, and not shown.');
    await page.getByLabel('Address outside').fill('203.0.113.7');
    await save.click();
    await expect(page.getByRole('main')).toContainText('hold only after a restart of the server: Address outside');
    await server.stop();
    await server.startAgain();
    await page.reload();
    await expect(page.getByLabel('Name', { exact: true })).toHaveValue('The Lodge');
    await expect(page.getByRole('main')).not.toContainText('hold only after a restart of the server');
    await grace.button('Back to the default: Hearth').click();
    await save.click();
    await expect(page.getByRole('banner')).toContainText('Hearth');
  } finally {
    await server.dispose();
  }
});
