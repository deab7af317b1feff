import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Page } from '@playwright/test';
import type { ServerStatus } from '../../src/wire/ServerStatus';
import type { SettingInfo } from '../../src/wire/SettingInfo';
import type { SettingsReply } from '../../src/wire/SettingsReply';
import { expect, test } from './harness/test';
import { expectToSee } from './harness/senses';
import { ADMIN, Hearth } from './harness/server';

// Pictures of the main screens for the README and for looking at. `npx playwright test --project=screenshots`.

const FOLDER = resolve(process.env['HEARTH_SCREENSHOTS'] ?? 'test-results/screenshots');

const DEVICES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
} as const;

for (const [device, screen] of Object.entries(DEVICES)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`screenshots: ${device}, ${colorScheme}`, async ({ people, newMeeting }) => {
      const context = { ...screen, colorScheme };
      const take = async (page: Page, what: string): Promise<void> => {
        await page.waitForTimeout(400);
        await page.screenshot({ path: `${FOLDER}/${what}-${device}-${colorScheme}.png` });
      };
      const code = await newMeeting({ title: 'Thursday choir' });
      const grace = await people.arrive('Dia', { called: ADMIN.name, context });
      await grace.open('/');
      await expect(grace.page.getByRole('main')).toBeVisible();
      await take(grace.page, '01-welcome');
      await grace.open('/register');
      await take(grace.page, '02-register');
      await grace.signIn(ADMIN.email, ADMIN.password);
      await take(grace.page, '03-home');
      await grace.openMeeting(code);
      await grace.page.waitForTimeout(1_500);
      await take(grace.page, '04-pre-join');
      await grace.enter();
      await take(grace.page, '05-alone');
      const [ben] = await people.meet(code, ['Ben']);
      await expectToSee(grace, ben);
      await take(grace.page, '06-two');
      const [ada, cem] = await people.meet(code, ['Ada', 'Cem']);
      await expectToSee(grace, cem);
      await ada.button('Mute microphone').click();
      await ben.button('Turn camera off').click();
      await ben.say('Shall we begin with the Bach?');
      await take(grace.page, '07-four');
      await grace.say('Yes, from the top');
      await take(grace.page, '08-chat');
      await grace.page.keyboard.press('Escape');
      await grace.openPanel('People');
      await take(grace.page, '09-people');
      await grace.page.keyboard.press('Escape');
      cem.cable.cut();
      await expect(grace.tile(cem)).toContainText('Reconnecting…');
      await take(grace.page, '10-reconnecting');
      cem.cable.mend();
      await grace.button('Leave').click();
      await take(grace.page, '11-leave-menu');
      await grace.page.getByRole('menuitem', { name: 'Leave', exact: true }).click();
      await take(grace.page, '12-left');
      await grace.open('/nowhere');
      await take(grace.page, '13-not-found');
      await grace.open('/trust');
      await expect(grace.page.getByRole('radio').first()).toBeVisible();
      await grace.page.screenshot({ path: `${FOLDER}/14-trust-${device}-${colorScheme}.png`, fullPage: true });
    });

    test(`screenshots of the admin pages: ${device}, ${colorScheme}`, async ({ people, newMeeting }) => {
      const code = await newMeeting({ title: 'Thursday choir' });
      const grace = await people.arrive('Dia', { called: ADMIN.name, context: { ...screen, colorScheme } });
      await grace.signIn(ADMIN.email, ADMIN.password);
      const take = (what: string): Promise<Buffer> => grace.page.screenshot({ path: `${FOLDER}/${what}-${device}-${colorScheme}.png`, fullPage: true });
      await grace.open('/admin');
      await expect(grace.page.getByRole('region', { name: 'Now' })).toContainText('Nobody');
      await take('20-status-quiet');
      await people.meet(code, ['Ben', 'Cem']);
      await expect(grace.page.getByRole('region', { name: 'Now' })).toContainText('2 people');
      await take('21-status');
      // What should never be seen in a test that goes well.
      const sample = JSON.parse(await readFile('../src/wire/fixtures/rest.ServerStatus.json', 'utf8')) as ServerStatus;
      const certificate = { ...sample.certificate, problem: 'The authority could not reach this server on port 443. Let the router forward it.', expiresSoon: true };
      const troubled: ServerStatus = { ...sample, certificate, log: { ...sample.log, leftOut: 240, panics: 1 } };
      await grace.page.route('**/api/admin/status', (route) => route.fulfill({ json: troubled }));
      await expect(grace.page.getByRole('region', { name: 'Needs your attention' })).toBeVisible();
      await take('22-status-trouble');
    });

    test(`screenshots of setting up and the settings: ${device}, ${colorScheme}`, async ({ people }) => {
      const server = await Hearth.start('[accounts]\nregistration = "closed"\n');
      try {
        const grace = await people.arrive('Dia', { called: ADMIN.name, at: server, context: { ...screen, colorScheme } });
        const { page } = grace;
        const take = (what: string): Promise<Buffer> => page.screenshot({ path: `${FOLDER}/${what}-${device}-${colorScheme}.png`, fullPage: true });
        const at = (title: string): Promise<void> => expect(page.getByRole('heading', { name: title, level: 1 })).toBeVisible();
        await page.goto(`${server.origin}/setup`);
        await at('Set up this place');
        await take('30-setup-without-link');
        await page.goto(server.setupLink);
        await at('Name and address');
        await page.getByLabel('Address').fill('http://meet.example.org');
        await grace.button('Continue').click();
        await take('31-setup-place-wrong');
        await page.getByLabel('Address').fill('https://meet.example.org');
        await grace.button('Continue').click();
        await at('Certificate');
        await take('32-setup-certificate');
        // No authority is to be asked from here.
        await page.getByRole('radio', { name: 'This server itself' }).check();
        await take('33-setup-certificate-own');
        await grace.button('Continue').click();
        await at('Administrator');
        await take('34-setup-account');
        await page.getByLabel('Name', { exact: true }).fill(ADMIN.name);
        await page.getByLabel('E-mail address').fill(ADMIN.email);
        await page.getByLabel('Password', { exact: true }).fill(ADMIN.password);
        await grace.button('Create admin account').click();
        await at('Accounts');
        await expect(page.getByRole('main')).toContainText('Set in the configuration file.');
        await take('35-setup-people-fixed');
        await grace.button('Continue').click();
        await at('Relay');
        await expect(page.getByRole('status')).toContainText('The relay works');
        await take('36-setup-relay');
        await grace.button('Continue').click();
        await at('First meeting');
        await take('37-setup-meeting');
        // What the authority and a file would have to say.
        await page.route('**/api/admin/settings', async (route) => {
          const answer = await route.fetch();
          const reply = (await answer.json()) as SettingsReply;
          const fixed: Readonly<Record<string, Pick<SettingInfo, 'value' | 'origin'>>> = {
            'server.name': { value: 'The Lodge', origin: 'environment' },
            'tls.mode': { value: 'acme', origin: 'file' },
          };
          await route.fulfill({ json: { ...reply, settings: reply.settings.map((setting) => ({ ...setting, ...fixed[setting.key] })) } });
        });
        await page.reload();
        await expect(page.getByRole('main')).toContainText('is not here yet');
        await take('38-setup-meeting-overruled');
        await grace.open('/admin/settings');
        await expect(grace.button('Save changes')).toBeVisible();
        await take('39-settings');
      } finally {
        await server.dispose();
      }
    });
  }
}
