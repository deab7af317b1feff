import { beforeEach, describe, expect, it } from 'vitest';
import { FakeEnvironment, type FakeAnswer } from '../../tests/fakes/FakeEnvironment';
import { AuthApi } from '../api/auth';
import { ApiClient } from '../api/client';
import { ServerApi } from '../api/server';
import type { ServerInfo } from '../wire/ServerInfo';
import { Session } from './session';

const info: ServerInfo = { name: 'Hearth', protocol: 1, registration: 'open', needsSetup: true, maxParticipants: 6, ownAuthority: true };
const ada = { id: 'u', email: 'ada@example.org', name: 'Ada', role: 'admin' };
const signedIn: FakeAnswer = { status: 200, body: { success: true, accessToken: 'token', expiresInSeconds: 900, user: ada } };
const refused: FakeAnswer = { status: 401, body: { error: { code: 'unauthenticated', message: 'Sign in.' } } };

let environment: FakeEnvironment;
let client: ApiClient;
let session: Session;
let answers: Record<string, FakeAnswer>;

beforeEach(() => {
  environment = new FakeEnvironment();
  client = new ApiClient(environment.fetch);
  session = new Session(new AuthApi(client), new ServerApi(client), environment);
  answers = { '/api/server': { status: 200, body: info }, '/api/auth/refresh': refused };
  environment.answer = (_method, path) => answers[path] ?? 'no answer';
});

describe('session', () => {
  it('does not know who is signed in before it has asked, then knows', async () => {
    expect(session.user.value).toBeUndefined();
    await session.start();
    expect([session.user.value, session.server.value?.name, session.error.value]).toEqual([null, 'Hearth', null]);
    answers['/api/auth/refresh'] = signedIn;
    await session.start();
    expect(session.user.value?.name).toBe('Ada');
  });

  it('says when the server can not be reached, and learns everything on the next start', async () => {
    const usual = environment.answer;
    environment.answer = () => 'no answer';
    await session.start();
    expect([session.server.value, session.error.value?.code]).toEqual([null, 'network']);
    environment.answer = usual;
    await session.start();
    expect([session.server.value?.name, session.error.value]).toEqual(['Hearth', null]);
  });

  it.each<FakeAnswer>(['no answer', { status: 503, body: { error: { code: 'busy', message: 'Later.' } } }])(
    'does not take a failure for a sign that nobody is signed in: %j',
    async (failure) => {
      answers['/api/auth/refresh'] = failure;
      await session.start();
      expect([session.user.value, session.server.value?.name]).toEqual([undefined, 'Hearth']);
      expect(session.error.value).not.toBeNull();
      answers['/api/auth/refresh'] = signedIn;
      await session.start();
      expect([session.user.value?.name, session.error.value]).toEqual(['Ada', null]);
      answers['/api/auth/refresh'] = failure;
      await session.start();
      expect(session.user.value?.name).toBe('Ada');
    },
  );

  it('learns who is signed in from whatever request finds out first', async () => {
    answers['/api/auth/refresh'] = 'no answer';
    await session.start();
    answers['/api/auth/refresh'] = signedIn;
    answers['/api/meetings/join'] = { status: 200, body: {} };
    await client.request('POST', '/api/meetings/join', {});
    expect(environment.requests.at(-1)?.token).toBe('token');
    expect([session.user.value?.name, session.error.value]).toEqual(['Ada', null]);
  });

  it('stays signed in, and says why, when signing out does not reach the server', async () => {
    answers['/api/auth/refresh'] = signedIn;
    await session.start();
    expect(await session.signOut()).toBe(false);
    expect([session.user.value?.name, session.error.value?.code]).toEqual(['Ada', 'network']);
  });

  it('reloads once when the server speaks another protocol', async () => {
    answers['/api/server'] = { status: 200, body: { ...info, protocol: 2 } };
    await session.start();
    await session.start();
    expect(environment.reloads).toBe(1);
  });

  it('signs in, registers, sets up and signs out', async () => {
    await session.start();
    for (const path of ['/api/auth/login', '/api/auth/register', '/api/setup']) answers[path] = signedIn;
    answers['/api/auth/logout'] = { status: 200, body: { success: true } };
    const ways = [
      () => session.signIn('ada@example.org', 'a secret'),
      () => session.register('ada@example.org', 'Ada', 'a secret'),
      () => session.setup('setup-token', 'ada@example.org', 'Ada', 'a secret'),
    ];
    for (const enter of ways) {
      await enter();
      expect(session.user.value?.name).toBe('Ada');
      await session.signOut();
      expect(session.user.value).toBeNull();
    }
    expect(session.server.value?.needsSetup).toBe(false);
  });

  it('keeps tokens out of what the browser stores', async () => {
    answers['/api/auth/login'] = signedIn;
    await session.signIn('ada@example.org', 'a secret');
    expect([...environment.remembered.kept.values(), ...environment.tab.kept.values()].join()).not.toContain('token');
  });

  it('stays signed out when the password is wrong, and lets the page know', async () => {
    await session.start();
    answers['/api/auth/login'] = { status: 401, body: { error: { code: 'wrong_credentials', message: 'No.', field: 'password' } } };
    await expect(session.signIn('ada@example.org', 'wrong')).rejects.toMatchObject({ code: 'wrong_credentials', field: 'password' });
    expect(session.user.value).toBeNull();
  });
});
