import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeServer } from '../../tests/fakes/FakeSocket';
import { welcome } from '../../tests/fakes/wire';
import type { ServerMessage } from '../wire/ServerMessage';
import { Connection } from './connection';
import { ReconnectPolicy } from './reconnect';

let server: FakeServer;
let connection: Connection;
let told: string[];
let received: ServerMessage[];
let failing: number[];

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  told = [];
  received = [];
  failing = [];
  connection = new Connection({
    url: 'wss://hearth.example/api/signaling',
    open: server.open,
    policy: new ReconnectPolicy(() => 1),
    now: () => performance.now(),
    hello: () => ({ type: 'resume', resumeToken: 'token', media: { audio: true, video: false, screen: false } }),
    received: (message) => received.push(message),
    lost: () => told.push('lost'),
    failing: (attempts) => failing.push(attempts),
    foreign: (protocol) => told.push(`foreign ${protocol}`),
    closed: (why) => told.push(why),
  });
});

afterEach(() => {
  connection.close();
  vi.useRealTimers();
});

function seat(): void {
  server.socket.accept();
  server.socket.say(welcome());
}

describe('connection', () => {
  it('speaks the subprotocol, says hello first and nothing else before it is welcome', () => {
    expect([server.socket.url, server.socket.subprotocol]).toEqual(['wss://hearth.example/api/signaling', 'hearth.v1']);
    server.socket.accept();
    expect(connection.send({ type: 'leave' })).toBe(false);
    expect(server.socket.sent.map(({ type }) => type)).toEqual(['resume']);
    server.socket.say(welcome());
    expect(connection.send({ type: 'leave' })).toBe(true);
  });

  it('comes back after each loss, and tells of a loss once', async () => {
    seat();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      server.socket.end(1006);
      await vi.advanceTimersByTimeAsync(5_000);
    }
    expect(server.sockets).toHaveLength(4);
    expect(told).toEqual(['lost']);
    seat();
    server.socket.end(1001);
    expect(told).toEqual(['lost', 'lost']);
  });

  it('tries again within a second, and at least every five during the first minute', async () => {
    seat();
    server.socket.end(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.sockets).toHaveLength(2);
    for (let waited = 1_000; waited < 50_000; waited += 5_000) {
      const before = server.sockets.length;
      server.socket.end(1006);
      await vi.advanceTimersByTimeAsync(5_000);
      expect(server.sockets.length).toBe(before + 1);
    }
  });

  it.each([
    [1000, 'left'],
    [4401, 'joinAgain'],
    [4404, 'over'],
    [4409, 'replaced'],
    [4410, 'joinAgain'],
    [4429, 'full'],
  ])('does not come back by itself after close code %i', async (code, why) => {
    seat();
    server.socket.end(code);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(told).toEqual([why]);
    expect(server.sockets).toHaveLength(1);
  });

  it.each([1001, 1006, 1008, 1009, 1013, 4408])('comes back after close code %i', async (code) => {
    seat();
    server.socket.end(code);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.sockets).toHaveLength(2);
  });

  it('waits as long as a server that stops asked for, even when the network says it is back', async () => {
    seat();
    server.socket.say({ type: 'serverRestart', retryAfterMs: 8_000 });
    server.socket.end(1001);
    await vi.advanceTimersByTimeAsync(7_000);
    connection.hurry();
    expect(server.sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(server.sockets).toHaveLength(2);
  });

  it('tries at once when the network is back', async () => {
    seat();
    server.socket.end(1006);
    connection.hurry();
    expect(server.sockets).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(server.sockets).toHaveLength(2);
  });

  it('counts the attempts in a row that brought no seat', async () => {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      server.socket.end(1006);
      await vi.advanceTimersByTimeAsync(5_000);
    }
    expect(failing).toEqual([1, 2]);
    seat();
    server.socket.end(1006);
    expect(failing).toEqual([1, 2]);
    await vi.advanceTimersByTimeAsync(5_000);
    server.socket.end(1006);
    expect(failing).toEqual([1, 2, 1]);
  });

  it('tells a welcome of another protocol by its version, whatever else is in it', () => {
    server.socket.accept();
    server.socket.hear('{"type":"welcome","protocol":2,"everything":"else"}');
    server.socket.hear('{"type":"welcome","protocol":1}');
    expect(told).toEqual(['foreign 2']);
  });

  it('drops what it does not know or can not read', () => {
    server.socket.accept();
    for (const data of ['{', '[]', '{"type":"later"}', '{"type":"offer","from":"x"}', '{"type":"constructor"}', new ArrayBuffer(4)]) {
      server.socket.hear(data);
    }
    expect(received).toEqual([]);
  });
});

describe('heartbeat', () => {
  it('pings every ten seconds and stays while it is answered', async () => {
    seat();
    for (let beat = 1; beat <= 10; beat += 1) {
      await vi.advanceTimersByTimeAsync(10_000);
      expect(server.socket.ofType('ping')).toHaveLength(beat);
      server.socket.say({ type: 'pong' });
    }
    expect(told).toEqual([]);
  });

  it('gives the connection up after two pings without an answer', async () => {
    seat();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(told).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told).toEqual(['lost']);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.sockets).toHaveLength(2);
  });

  it('takes any message as a sign of life', async () => {
    seat();
    for (let beat = 0; beat < 5; beat += 1) {
      await vi.advanceTimersByTimeAsync(15_000);
      server.socket.say({ type: 'meetingEnded', reason: 'deleted' });
    }
    expect(told).toEqual([]);
  });

  it('finds out within seconds whether a connection lived through a sleep', async () => {
    seat();
    connection.hurry();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(told).toEqual(['lost']);
  });

  it('leaves a connection that answers the probe alone', async () => {
    seat();
    connection.hurry();
    server.socket.say({ type: 'pong' });
    await vi.advanceTimersByTimeAsync(9_000);
    expect(told).toEqual([]);
  });

  it('gives up an attempt that nobody answers', async () => {
    await vi.advanceTimersByTimeAsync(10_000);
    expect(told).toEqual(['lost']);
    const [first] = server.sockets;
    expect(first?.closedWith).toBeDefined();
  });

  it('hears nothing more from a connection it gave up', async () => {
    await vi.advanceTimersByTimeAsync(10_500);
    const [first] = server.sockets;
    first?.accept();
    first?.say(welcome());
    first?.end(1006);
    expect(received).toEqual([]);
    expect(told).toEqual(['lost']);
  });
});

describe('pauses', () => {
  it('are drawn from the whole range and double up to half a minute after the first minute', () => {
    const policy = new ReconnectPolicy(() => 1);
    policy.connected(0);
    const early = [0, 1, 2, 3, 4, 5].map(() => policy.nextDelay(1_000));
    expect(early).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    expect(policy.nextDelay(61_000)).toBe(30_000);
    const lucky = new ReconnectPolicy(() => 0);
    expect(lucky.nextDelay(0)).toBe(100);
  });

  it('begin anew with every restart that the server announces, a pause of its own first', () => {
    const policy = new ReconnectPolicy(() => 1);
    for (const now of [0, 500, 1_500]) policy.nextDelay(now);
    policy.connected(3_500);
    policy.restartAnnounced(1_000, 10_000);
    expect(policy.nextDelay(10_000)).toBe(3_000);
    expect(policy.nextDelay(13_000)).toBe(1_000);
  });

  it('begin anew only after a minute of standing', () => {
    const policy = new ReconnectPolicy(() => 1);
    policy.nextDelay(0);
    policy.nextDelay(500);
    policy.connected(1_000);
    expect(policy.nextDelay(30_000)).toBe(2_000);
    policy.connected(32_000);
    expect(policy.nextDelay(92_000)).toBe(500);
  });
});
