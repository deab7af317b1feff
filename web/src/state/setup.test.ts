import { describe, expect, it, vi } from 'vitest';
import { ApiError } from '../api/error';
import type { SettingsApi } from '../api/settings';
import type { StatusApi } from '../api/status';
import type { CertificateInfo } from '../wire/CertificateInfo';
import type { ChangeSettingsRequest } from '../wire/ChangeSettingsRequest';
import type { RelayTestReply } from '../wire/RelayTestReply';
import type { ServerStatus } from '../wire/ServerStatus';
import type { SettingInfo } from '../wire/SettingInfo';
import type { SettingOrigin } from '../wire/SettingOrigin';
import type { SettingValue } from '../wire/SettingValue';
import type { SettingsReply } from '../wire/SettingsReply';
import type { TextStore } from './environment';
import { Setup, hostOf, isPublicName } from './setup';

class FakeSettings implements Pick<SettingsApi, 'read' | 'change' | 'testRelay'> {
  readonly sent: ChangeSettingsRequest[] = [];
  refusal: ApiError | null = null;
  reply: SettingsReply = {
    settings: [
      { key: 'server.name', value: 'Hearth', origin: 'default', live: true, doc: '' },
      { key: 'server.public_url', origin: 'default', live: true, doc: '' },
      { key: 'tls.mode', value: 'auto', default: 'auto', origin: 'default', live: true, doc: '' },
      { key: 'accounts.registration', value: 'open', origin: 'file', live: true, doc: '' },
    ],
    waiting: [],
  };

  async read(): Promise<SettingsReply> {
    return this.reply;
  }

  async change(request: ChangeSettingsRequest): Promise<SettingsReply> {
    this.sent.push(request);
    if (this.refusal) throw this.refusal;
    for (const { key, value } of request.changes) this.hold(key, value, 'browser');
    return this.reply;
  }

  /** What a setting is from now on, and who says so. */
  hold(key: string, value: SettingValue | null, origin: SettingOrigin): void {
    const settings = this.reply.settings.map((setting): SettingInfo => {
      if (setting.key !== key) return setting;
      const { value: _, ...rest } = setting;
      const holds = value ?? setting.default;
      return holds === undefined ? { ...rest, origin } : { ...rest, value: holds, origin };
    });
    this.reply = { ...this.reply, settings };
  }

  async testRelay(): Promise<RelayTestReply> {
    throw new ApiError({ code: 'no_relay', message: 'There is none.' }, 404);
  }
}

function tab(): TextStore {
  const kept = new Map<string, string>();
  return { getItem: (name) => kept.get(name) ?? null, setItem: (name, text) => void kept.set(name, text) };
}

class FakeStatus {
  asked = 0;
  certificate: CertificateInfo = {
    source: 'localCa',
    names: ['localhost'],
    fingerprint: '',
    notAfter: '2027-01-01T00:00:00Z',
    renewsAt: null,
    expiresSoon: false,
    problem: 'It is on its way.',
  };

  /** What answers wait for. */
  held: Promise<void> | null = null;

  async read(): Promise<Pick<ServerStatus, 'certificate'>> {
    this.asked += 1;
    await this.held;
    return { certificate: this.certificate };
  }
}

function setup(store: TextStore = tab()): { api: FakeSettings; status: FakeStatus; setup: Setup; store: TextStore } {
  const [api, status] = [new FakeSettings(), new FakeStatus()];
  return { api, status, store, setup: new Setup(api as unknown as SettingsApi, status as unknown as StatusApi, store) };
}

describe('setting up a place', () => {
  it('loses neither the link nor what was decided when the page is loaded again', () => {
    const first = setup();
    first.setup.open('secret');
    first.setup.decide({ name: 'The Lodge', address: 'https://lodge.example.org' });
    first.setup.go('account');
    const again = setup(first.store).setup;
    expect(again.progress.value).toMatchObject({ token: 'secret', step: 'account', name: 'The Lodge', address: 'https://lodge.example.org' });
    again.open('');
    expect(again.progress.value.token, 'no link in the address takes none away').toBe('secret');
    again.usedUp();
    expect(JSON.stringify(first.store.getItem('hearth.setup'))).not.toContain('secret');
    again.finish();
    expect(setup(first.store).setup.begun).toBe(false);
  });

  it('passes over what is none of its own in the tab', () => {
    for (const text of ['[]', '{"step":"nowhere","token":5}', 'null', '{']) {
      const store = tab();
      store.setItem('hearth.setup', text);
      expect(setup(store).setup.progress.value).toEqual({ step: 'place', token: '', name: '', address: '', vouching: null, registration: null });
    }
  });

  it('goes back and on past the account once there is one', () => {
    const { setup: one } = setup();
    one.go('people');
    expect([one.back(false), one.back(true), one.next(true)]).toEqual(['account', 'certificate', 'relay']);
    one.go('certificate');
    expect([one.next(false), one.next(true)]).toEqual(['account', 'people']);
    one.go('place');
    expect(one.back(true)).toBeNull();
  });

  it('tells the server what was decided, but for what a file decides or what holds already', async () => {
    const { api, setup: one } = setup();
    one.decide({ name: 'Hearth', address: 'https://lodge.example.org', registration: 'closed' });
    expect(await one.apply()).toBe(true);
    expect(api.sent).toEqual([{ changes: [{ key: 'server.public_url', value: 'https://lodge.example.org' }] }]);
  });

  it('tells who is to vouch for the server, and leaves it to the server where it has no address', async () => {
    const { api, setup: one } = setup();
    one.decide({ address: 'https://meet.example.org', vouching: 'acme' });
    await one.apply();
    expect(api.sent).toEqual([
      {
        changes: [
          { key: 'server.public_url', value: 'https://meet.example.org' },
          { key: 'tls.mode', value: 'acme' },
        ],
      },
    ]);
    await one.apply();
    expect(api.sent.length, 'nothing is set that holds already').toBe(1);
    one.decide({ address: '' });
    await one.apply();
    expect(api.sent.at(-1)?.changes).toEqual([
      { key: 'server.public_url', value: null },
      { key: 'tls.mode', value: null },
    ]);
    one.decide({ address: 'https://meet.example.org' });
    api.refusal = new ApiError({ code: 'invalid_settings', message: 'No.', problems: [{ key: 'tls.mode', message: 'no', mend: 'write one' }] }, 422);
    expect(await one.apply()).toBe(false);
    expect(one.progress.value.step).toBe('certificate');
  });

  it('follows the certificate until it has come', async () => {
    vi.useFakeTimers();
    const { status, setup: one } = setup();
    one.decide({ address: 'https://Meet.example.org:8443', vouching: 'acme' });
    await one.apply();
    await one.followCertificate();
    expect([one.isVouchedFor, one.certificate.value?.problem]).toEqual([false, 'It is on its way.']);
    status.certificate = { ...status.certificate, source: 'acme', names: ['meet.example.org'], problem: null };
    await vi.advanceTimersByTimeAsync(2000);
    expect(one.isVouchedFor).toBe(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(status.asked, 'nobody asks for what has come').toBe(2);
    vi.useRealTimers();
  });

  it('awaits no certificate for an address that was given and taken back', async () => {
    vi.useFakeTimers();
    const { api, status, setup: one } = setup();
    one.decide({ address: 'https://meet.example.org' });
    one.decide({ vouching: 'acme' });
    one.decide({ address: '' });
    expect(one.progress.value.vouching, 'nobody vouches for no name').toBeNull();
    await one.apply();
    expect([api.sent, one.awaited]).toEqual([[], null]);
    await one.followCertificate();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(status.asked).toBe(0);
    vi.useRealTimers();
  });

  it('goes by what a file says where it says something else, tells who said it, and does not await what will not come', async () => {
    const { api, status, setup: one } = setup();
    api.hold('tls.mode', 'local', 'environment');
    one.decide({ address: 'https://meet.example.org', vouching: 'acme', registration: 'closed' });
    expect([one.decidedBy('tls.mode'), one.overruled], 'nothing is known before there is an account').toEqual([null, []]);
    await one.apply();
    expect(one.overruled).toEqual([
      { key: 'tls.mode', value: 'local', origin: 'environment' },
      { key: 'accounts.registration', value: 'open', origin: 'file' },
    ]);
    expect([one.decidedBy('tls.mode'), one.decidedBy('server.public_url'), one.held('tls.mode')]).toEqual(['environment', null, 'local']);
    await one.followCertificate();
    expect([one.awaited, status.asked]).toEqual([null, 0]);
  });

  it('awaits a certificate for the address that a file gives, and for none that was written in vain', async () => {
    vi.useFakeTimers();
    const { api, status, setup: one } = setup();
    api.hold('server.public_url', 'https://real.example.org', 'file');
    one.decide({ address: 'https://meet.example.org', vouching: 'acme' });
    await one.apply();
    expect([one.address, one.awaited]).toEqual(['https://real.example.org', 'https://real.example.org']);
    status.certificate = { ...status.certificate, source: 'acme', names: ['real.example.org'] };
    await one.followCertificate();
    expect(one.isVouchedFor).toBe(true);
    one.dispose();
    vi.useRealTimers();
  });

  it('awaits a certificate where the server asks for one by itself, and not where files are the certificate', async () => {
    for (const [address, source, awaited] of [
      ['https://meet.example.org', 'localCa', true],
      ['https://meet.example.org', 'files', false],
      ['https://meet.example.org:8443', 'localCa', false],
      ['https://hearth.local', 'localCa', false],
    ] as const) {
      vi.useFakeTimers();
      const { api, status, setup: one } = setup();
      api.hold('server.public_url', address, 'file');
      status.certificate = { ...status.certificate, source };
      await one.followCertificate();
      expect(one.awaited !== null, `${address}, ${source}`).toBe(awaited);
      one.dispose();
      vi.useRealTimers();
    }
  });

  it('stops following the certificate even while a question is under way', async () => {
    vi.useFakeTimers();
    const { status, setup: one } = setup();
    one.decide({ address: 'https://meet.example.org', vouching: 'acme' });
    await one.apply();
    let answer = (): void => undefined;
    status.held = new Promise((resolve) => {
      answer = resolve;
    });
    const following = one.followCertificate();
    await vi.advanceTimersByTimeAsync(0);
    expect(status.asked, 'the question is under way').toBe(1);
    one.stopFollowing();
    answer();
    await following;
    await vi.advanceTimersByTimeAsync(60_000);
    expect([status.asked, one.certificate.value]).toEqual([1, null]);
    vi.useRealTimers();
  });

  it('returns to the first step when the server does not take what was decided there', async () => {
    const { api, setup: one } = setup();
    one.go('people');
    one.decide({ address: 'https://-' });
    api.refusal = new ApiError(
      { code: 'invalid_settings', message: 'No.', problems: [{ key: 'server.public_url', message: 'this is none', mend: 'write one' }] },
      422,
    );
    expect(await one.apply()).toBe(false);
    expect(one.progress.value.step).toBe('place');
    expect(one.problems.value.get('server.public_url')).toBe('this is none — write one.');
    api.refusal = ApiError.network();
    await expect(one.apply()).rejects.toBe(api.refusal);
  });

  it('says in words that there is no relay', async () => {
    const { setup: one } = setup();
    await one.testRelay();
    expect(one.relay.value).toMatchObject({ message: 'There is none.' });
  });

  it('tells public names from those of a network of one’s own', () => {
    expect(['https://Meet.example.org:8443/', '[fd00::1]:8443', '192.168.1.5'].map(hostOf)).toEqual(['meet.example.org', 'fd00::1', '192.168.1.5']);
    expect(['https://meet.example.org', 'meet.example.org:8443'].every(isPublicName)).toBe(true);
    for (const own of ['https://localhost:8443', '192.168.1.5', 'pi.local', 'hearth', '[fd00::1]:8443', 'x.home.arpa']) {
      expect(isPublicName(own), own).toBe(false);
    }
  });
});
