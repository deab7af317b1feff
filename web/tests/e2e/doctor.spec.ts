import type { Page } from '@playwright/test';
import { PATIENCE_MS, type Person } from './harness/people';
import { ADMIN, Hearth } from './harness/server';
import { expect, test } from './harness/test';

/** The administrator, at the doctor's page of a server of their own. */
async function visit(server: Hearth, arrive: () => Promise<Person>): Promise<Person> {
  await server.setUp();
  const grace = await arrive();
  await grace.signIn(ADMIN.email, ADMIN.password);
  await grace.open('/admin/doctor');
  return grace;
}

function finding(page: Page, check: string): ReturnType<Page['locator']> {
  return page.locator(`[data-check="${check}"]`);
}

async function makeLink(grace: Person): Promise<string> {
  await grace.button('Make a link').click();
  await expect(grace.page.getByRole('img', { name: 'QR code of the link' })).toBeVisible();
  return (await grace.page.locator('code.address').textContent()) ?? '';
}

test('O10: an administrator reads what the doctor found, and a phone with the link reports from outside', async ({ people }) => {
  const server = await Hearth.start();
  try {
    const grace = await visit(server, () => people.arrive('Ada', { called: ADMIN.name, at: server }));
    const here = grace.page.getByRole('region', { name: 'From here' });
    await expect(here).toContainText('Looked at on', { timeout: PATIENCE_MS });
    await here.locator('summary').click();
    for (const check of ['server', 'https_port', 'relay_udp_port', 'relay']) {
      await expect(finding(grace.page, check)).toHaveAttribute('data-outcome', 'good');
    }

    const link = await makeLink(grace);
    expect(link).toMatch(new RegExp(`^${server.origin}/check#[\\w-]{32}$`));
    const phone = await people.arrive('Ben', { called: 'A phone', at: server, context: { viewport: { width: 390, height: 844 } } });
    await phone.page.goto(link);
    await expect(phone.page.getByRole('status')).toContainText('Done.', { timeout: PATIENCE_MS });
    expect(phone.page.url(), 'the secret does not stay in the address bar').toBe(`${server.origin}/check`);
    for (const way of ['udp', 'tcp']) {
      await expect(phone.page.locator(`[data-way="${way}"]`)).toHaveAttribute('data-outcome', 'reached');
      await expect(finding(grace.page, `outside_${way}`)).toHaveAttribute('data-outcome', 'good', { timeout: PATIENCE_MS });
    }
    await expect(finding(grace.page, 'outside_tls')).toBeVisible();
    expect(phone.errors).toEqual([]);

    await phone.open('/');
    await phone.page.goto(link);
    await expect(phone.page.getByRole('alert').filter({ hasText: 'used or is too old' })).toBeVisible();
  } finally {
    await server.dispose();
  }
});

test('O10: a way that leads nowhere is told to the administrator with what mends it', async ({ people }) => {
  const server = await Hearth.start();
  try {
    const grace = await visit(server, () => people.arrive('Ada', { called: ADMIN.name, at: server }));
    const link = await makeLink(grace);
    const phone = await people.arrive('Ben', { called: 'A phone', at: server });
    await phone.page.route('**/api/check/begin', async (route) => {
      const answer = await route.fetch();
      // As behind a firewall: nothing ever answers at this port.
      await route.fulfill({ response: answer, body: (await answer.text()).replace(/"turn:([^"]*):\d+\?transport=tcp"/, '"turn:$1:9?transport=tcp"') });
    });
    await phone.page.goto(link);
    await expect(phone.page.getByRole('status')).toContainText('Done.', { timeout: PATIENCE_MS });
    await expect(phone.page.locator('[data-way="tcp"]')).toHaveAttribute('data-outcome', 'missed');
    const told = finding(grace.page, 'outside_tcp');
    await expect(told).toHaveAttribute('data-outcome', 'warning', { timeout: PATIENCE_MS });
    await expect(told).toContainText(/sudo ufw allow \d+\/tcp/);
    await expect(finding(grace.page, 'outside_udp')).toHaveAttribute('data-outcome', 'good');
  } finally {
    await server.dispose();
  }
});
