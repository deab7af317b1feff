import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiClient } from '../api/client';
import { StatusApi } from '../api/status';
import { StatusWatch } from './status';

let asked: number;
let answer: () => Promise<Response>;
let watch: StatusWatch;

beforeEach(() => {
  vi.useFakeTimers();
  asked = 0;
  answer = () => Promise.resolve(Response.json({ version: `answer ${asked}` }));
  const client = new ApiClient((path) => {
    expect(path).toBe('/api/admin/status');
    asked += 1;
    return answer();
  });
  watch = new StatusWatch(new StatusApi(client));
});

afterEach(() => {
  watch.dispose();
  vi.useRealTimers();
});

describe('the status', () => {
  it('is asked for again and again while somebody looks, and not otherwise', async () => {
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(0);
    watch.look(true);
    await vi.advanceTimersByTimeAsync(11_000);
    expect([asked, watch.status.value?.version]).toEqual([3, 'answer 3']);
    watch.look(false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(3);
    watch.look(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(asked, 'at once when somebody comes back').toBe(4);
  });

  it('keeps what was known when the server can’t be reached, and says so until it can', async () => {
    watch.look(true);
    await vi.advanceTimersByTimeAsync(0);
    answer = () => Promise.reject(new TypeError('no network'));
    await vi.advanceTimersByTimeAsync(5_000);
    expect([watch.status.value?.version, watch.error.value === null]).toEqual(['answer 1', false]);
    answer = () => Promise.resolve(Response.json({ version: 'back' }));
    await vi.advanceTimersByTimeAsync(5_000);
    expect([watch.status.value?.version, watch.error.value]).toEqual(['back', null]);
  });

  it('never asks twice at a time, however slow the answer is', async () => {
    answer = () => new Promise(() => undefined);
    for (let turn = 0; turn < 5; turn += 1) {
      watch.look(true);
      watch.look(false);
    }
    watch.look(true);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(asked).toBe(1);
  });
});
