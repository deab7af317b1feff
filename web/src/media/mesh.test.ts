import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakePath } from '../../tests/fakes/FakePeerConnection';
import { ADA, ME, ZOE } from '../../tests/fakes/wire';
import type { IceServer } from '../wire/IceServer';
import { Mesh } from './mesh';

const MINUTE = 60_000;

let now: number;
let path: FakePath;
let mesh: Mesh;
let restarts: string[];

beforeEach(() => {
  vi.useFakeTimers();
  now = 0;
  path = new FakePath();
  restarts = [];
  mesh = new Mesh({ rtc: path.rtc(), now: () => now, send: () => undefined, outcome: () => undefined });
  mesh.useIceServers(credentials('first'));
  mesh.follow(ME, [ADA, ZOE].map((id) => ({ id, connected: true })));
  path.ends.forEach((end, index) => {
    end.restartIce = () => restarts.push(index === 0 ? 'Ada' : 'Zoe');
  });
  const [ada] = path.ends;
  if (ada) ada.relayed = true;
});

afterEach(() => {
  mesh.clear();
  vi.useRealTimers();
});

function credentials(credential: string): IceServer[] {
  return [{ urls: ['turn:relay.example'], username: 'u', credential }];
}

/** A welcome brings credentials. */
async function welcomeAt(minute: number): Promise<void> {
  now = minute * MINUTE;
  mesh.useIceServers(credentials(`of minute ${minute}`));
  await vi.advanceTimersByTimeAsync(1);
}

describe('relay credentials', () => {
  it('take the place of old ones where a relay is in use, though each welcome begins the wait for newer ones anew', async () => {
    for (const minute of [5, 10, 15]) await welcomeAt(minute);
    expect(restarts).toEqual([]);
    await welcomeAt(20);
    expect(restarts).toEqual(['Ada']);
    expect(path.ends.map(({ configuration }) => configuration.iceServers)).toEqual([credentials('of minute 20'), credentials('of minute 20')]);
    await welcomeAt(25);
    expect(restarts).toEqual(['Ada']);
    await welcomeAt(40);
    expect(restarts).toEqual(['Ada', 'Ada']);
  });

  it('are not in need of it after those that the server sent by itself', async () => {
    now = 19 * MINUTE;
    mesh.renewIceServers(credentials('renewed'));
    await vi.advanceTimersByTimeAsync(1);
    restarts.length = 0;
    await welcomeAt(30);
    expect(restarts).toEqual([]);
  });
});
