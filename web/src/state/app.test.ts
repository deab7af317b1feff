import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeEnvironment } from '../../tests/fakes/FakeEnvironment';
import { joinReply, welcome } from '../../tests/fakes/wire';
import { createApp } from './app';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('a guest in a browser that keeps nothing', () => {
  it('takes a new seat under the name that was given', async () => {
    const environment = new FakeEnvironment();
    environment.remembered.setItem = () => undefined;
    environment.answer = () => ({ status: 200, body: joinReply() });
    const app = createApp(environment);
    const preJoin = app.newPreJoin('abcd-efgh-jkmn');
    preJoin.name.value = ' Grace ';
    const room = app.newRoom(await preJoin.join(), preJoin.local, preJoin.name.value.trim());
    environment.server.socket.accept();
    environment.server.socket.say(welcome());
    environment.server.socket.end(4410);
    await vi.advanceTimersByTimeAsync(10);
    const joins = environment.requests.filter(({ path }) => path === '/api/meetings/join');
    expect(joins.map(({ body }) => body)).toMatchObject([{ displayName: 'Grace' }, { displayName: 'Grace' }]);
    room.dispose();
  });
});
