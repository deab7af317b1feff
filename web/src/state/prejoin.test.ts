import { signal } from '@preact/signals';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeEnvironment } from '../../tests/fakes/FakeEnvironment';
import { joinReply, ROOM } from '../../tests/fakes/wire';
import { ApiClient } from '../api/client';
import { MeetingsApi } from '../api/meetings';
import { LocalMedia } from './localmedia';
import { Preferences } from './preferences';
import { PreJoin } from './prejoin';

const preview = { roomId: ROOM, title: 'Standup', hostName: 'Ada', status: 'waiting', guestsAllowed: true };
const account = signal('');
let environment: FakeEnvironment;
let prejoin: PreJoin;

beforeEach(() => {
  environment = new FakeEnvironment();
  environment.answer = (_method, path) => ({ status: 200, body: path.endsWith('/preview') ? preview : joinReply() });
  prejoin = create('');
});

afterEach(() => prejoin.local.dispose());

function create(accountName: string, code = 'ABCD efgh/jkmn'): PreJoin {
  const preferences = new Preferences(environment.remembered);
  const meetings = new MeetingsApi(new ApiClient(environment.fetch));
  account.value = accountName;
  return new PreJoin({ code, meetings, preferences, accountName: account, local: new LocalMedia(environment, preferences) });
}

const live = (): number => environment.devices.live('audio').length + environment.devices.live('video').length;

describe('before joining', () => {
  it('asks about the meeting as its code was typed, and joins it by its proper code', async () => {
    await prejoin.load();
    expect(environment.requests[0]?.path).toBe('/api/meetings/ABCD%20efgh%2Fjkmn/preview');
    expect(prejoin.preview.value?.title).toBe('Standup');
    prejoin.name.value = '  Grace ';
    await prejoin.join();
    expect(environment.requests.at(-1)?.body).toEqual({ roomId: ROOM, displayName: 'Grace' });
  });

  it('knows the name of last time, else that of the account', async () => {
    expect(create('Ada').name.value).toBe('Ada');
    prejoin.name.value = 'Grace';
    await prejoin.join();
    expect(create('').name.value).toBe('Grace');
  });

  it('learns the name of the account a moment later, and leaves alone what was typed by then', () => {
    const waiting = create('');
    account.value = 'Ada';
    expect(waiting.name.value).toBe('Ada');
    const typing = create('');
    typing.name.value = 'Gra';
    account.value = 'Ada';
    expect(typing.name.value).toBe('Gra');
  });

  it('joins without any device, and without having asked for one', async () => {
    await expect(prejoin.join()).resolves.toMatchObject({ ticket: 'ticket-1' });
    expect(environment.devices.requests).toEqual([]);
    environment.devices.microphones = [];
    environment.devices.cameras = [];
    await prejoin.local.ask();
    await expect(prejoin.join()).resolves.toMatchObject({ ticket: 'ticket-1' });
  });

  it('says why one can not join, and lets one try again', async () => {
    environment.answer = () => ({ status: 403, body: { error: { code: 'guests_not_allowed', message: 'Sign in to join.' } } });
    await expect(prejoin.join()).rejects.toMatchObject({ code: 'guests_not_allowed' });
    expect([prejoin.error.value?.message, prejoin.joining.value]).toEqual(['Sign in to join.', false]);
  });

  it('releases the devices, unless somebody has joined with them', async () => {
    await prejoin.local.ask();
    prejoin.dispose();
    expect(live()).toBe(0);
    prejoin = create('');
    await prejoin.local.ask();
    await prejoin.join();
    prejoin.dispose();
    expect(live()).toBe(2);
  });

  it('is not troubled by what somebody else left in the storage', () => {
    for (const stored of ['{', 'null', '[]', '{"name":7,"audio":"yes","cameraId":{}}']) {
      environment.remembered.setItem('hearth.preferences', stored);
      expect(create('Ada').name.value).toBe('Ada');
    }
  });
});
