import { beforeEach, describe, expect, it } from 'vitest';
import { FakeEnvironment, type FakeAnswer } from '../../tests/fakes/FakeEnvironment';
import { ApiClient } from './client';
import { ApiError } from './error';

let environment: FakeEnvironment;
let client: ApiClient;
let valid: string;
let signedOut: number;

const refused: FakeAnswer = { status: 401, body: { error: { code: 'unauthenticated', message: 'Sign in.' } } };

beforeEach(async () => {
  environment = new FakeEnvironment();
  client = new ApiClient(environment.fetch);
  signedOut = 0;
  client.signedOut = () => (signedOut += 1);
  valid = 'token-1';
  environment.answer = (_method, path) => {
    if (path === '/api/auth/login' || path === '/api/auth/refresh') return { status: 200, body: { accessToken: valid } };
    const { token } = environment.requests.at(-1)!;
    return token === valid ? { status: 200, body: { by: token } } : refused;
  };
  await client.signIn('/api/auth/login', { email: 'ada@example.org', password: 'secret' });
  environment.requests.length = 0;
});

const paths = (): string[] => environment.requests.map(({ path }) => path);

async function failureOf(request: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await request.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

describe('requests', () => {
  it('carry the access token', async () => {
    expect(await client.request('GET', '/api/meetings')).toEqual({ by: 'token-1' });
  });

  it('renew the token once and are repeated when it is no longer taken', async () => {
    valid = 'token-2';
    expect(await client.request('GET', '/api/meetings')).toEqual({ by: 'token-2' });
    expect(paths()).toEqual(['/api/meetings', '/api/auth/refresh', '/api/meetings']);
  });

  it('wait for the sign-in that a page load is about to find, rather than go as a guest', async () => {
    const reloaded = new ApiClient(environment.fetch);
    const renewal = reloaded.renew();
    expect(await reloaded.request('POST', '/api/meetings/join', {})).toEqual({ by: 'token-1' });
    await renewal;
  });

  it('ask again who is signed in when that was not learnt, and fail rather than go as a guest', async () => {
    const { answer } = environment;
    const reloaded = new ApiClient(environment.fetch);
    environment.answer = (method, path, body) => (path === '/api/auth/refresh' ? 'no answer' : answer(method, path, body));
    await failureOf(reloaded.renew());
    expect((await failureOf(reloaded.request('POST', '/api/meetings/join', {}))).code).toBe('network');
    expect(paths()).not.toContain('/api/meetings/join');
    environment.answer = answer;
    expect(await reloaded.request('POST', '/api/meetings/join', {})).toEqual({ by: 'token-1' });
  });

  it('go as a guest once it is certain that nobody is signed in', async () => {
    const reloaded = new ApiClient(environment.fetch);
    environment.answer = () => 'no answer';
    await failureOf(reloaded.renew());
    environment.answer = (_method, path) => (path === '/api/auth/refresh' ? refused : { status: 200, body: {} });
    await reloaded.request('POST', '/api/meetings/join', {});
    await reloaded.request('POST', '/api/meetings/join', {});
    expect(paths().slice(1)).toEqual(['/api/auth/refresh', '/api/meetings/join', '/api/meetings/join']);
    expect(environment.requests.at(-1)?.token).toBeNull();
  });

  it('share one renewal when they fail together', async () => {
    valid = 'token-2';
    const answers = await Promise.all([1, 2, 3].map((number) => client.request('GET', `/api/meetings?limit=${number}`)));
    expect(answers).toEqual([{ by: 'token-2' }, { by: 'token-2' }, { by: 'token-2' }]);
    expect(paths().filter((path) => path === '/api/auth/refresh')).toHaveLength(1);
  });

  it('give up when the renewed token is not taken either', async () => {
    const { answer } = environment;
    environment.answer = (method, path, body) => (path === '/api/meetings' ? refused : answer(method, path, body));
    expect((await failureOf(client.request('GET', '/api/meetings'))).code).toBe('unauthenticated');
    expect(paths()).toEqual(['/api/meetings', '/api/auth/refresh', '/api/meetings']);
  });

  it('tell once that the sign-in is over', async () => {
    environment.answer = () => refused;
    expect((await failureOf(client.request('GET', '/api/meetings'))).status).toBe(401);
    expect(signedOut).toBe(1);
    await failureOf(client.request('GET', '/api/meetings'));
    expect(paths()).toEqual(['/api/meetings', '/api/auth/refresh', '/api/meetings']);
  });

  it('keep the sign-in when the renewal fails for another reason', async () => {
    const { answer } = environment;
    valid = 'token-2';
    environment.answer = (method, path, body) => (path === '/api/auth/refresh' ? 'no answer' : answer(method, path, body));
    expect((await failureOf(client.request('GET', '/api/meetings'))).code).toBe('network');
    expect(signedOut).toBe(0);
    environment.answer = answer;
    expect(await client.request('GET', '/api/meetings')).toEqual({ by: 'token-2' });
  });

  it('never renew because a password was wrong', async () => {
    environment.answer = () => ({ status: 401, body: { error: { code: 'wrong_credentials', message: 'Try again.' } } });
    expect((await failureOf(client.signIn('/api/auth/login', {}))).code).toBe('wrong_credentials');
    expect(paths()).toEqual(['/api/auth/login']);
  });

  it('tell all that the server says about a failure', async () => {
    const error = { code: 'too_many', message: 'Wait.', field: 'email', retryAfterSeconds: 7 };
    environment.answer = () => ({ status: 429, body: { error } });
    expect(await failureOf(client.request('POST', '/api/meetings/create', {}))).toMatchObject({ ...error, status: 429 });
  });

  it.each(['<html>', '', '[]', '{"error":"no"}'])('call an answer unreadable that is none: %j', async (body) => {
    environment.answer = () => ({ status: 502, body });
    expect((await failureOf(client.request('GET', '/api/server'))).code).toBe('bad_answer');
  });
});
