import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiClient } from '../api/client';
import { CheckApi } from '../api/doctor';
import type { Rtc } from '../media/rtc';
import type { CheckReport } from '../wire/CheckReport';
import { Check } from './check';

/** Gathers these kinds of candidates when it is told to, then one error, then the end. */
class FakeGatherer {
  static closed = 0;
  onicecandidate: ((event: { candidate: { type: string } | null }) => void) | null = null;
  onicecandidateerror: ((event: { errorCode: number; errorText: string }) => void) | null = null;
  readonly #kinds: readonly string[];

  constructor({ iceServers }: RTCConfiguration) {
    this.#kinds = iceServers?.[0]?.urls.toString().startsWith('stun:') ? ['host', 'srflx', 'relay'] : ['host'];
  }
  createDataChannel(): void {
    return;
  }
  async setLocalDescription(): Promise<void> {
    await Promise.resolve();
    for (const type of this.#kinds) this.onicecandidate?.({ candidate: { type } });
    if (!this.#kinds.includes('relay')) this.onicecandidateerror?.({ errorCode: 701, errorText: 'x'.repeat(500) });
    this.onicecandidate?.({ candidate: null });
  }
  close(): void {
    FakeGatherer.closed += 1;
  }
}

const rtc = { connection: (configuration: RTCConfiguration) => new FakeGatherer(configuration) } as unknown as Rtc;

let reports: CheckReport[];
let begin: () => Response;

function newCheck(): Check {
  const client = new ApiClient((path, { body }) => {
    if (path === '/api/check/begin') return Promise.resolve(begin());
    reports.push(JSON.parse(String(body)) as CheckReport);
    return Promise.resolve(Response.json({ success: true }));
  });
  return new Check(new CheckApi(client), rtc);
}

beforeEach(() => {
  FakeGatherer.closed = 0;
  reports = [];
  begin = () =>
    Response.json({
      lanes: [
        { transport: 'udp', iceServers: [{ urls: ['stun:a.example:3478'] }] },
        { transport: 'tcp', iceServers: [{ urls: ['turn:a.example:3478?transport=tcp'] }] },
      ],
    });
});

describe('the test from outside', () => {
  it('tries each way by itself, reports it, and shows how it went', async () => {
    const check = newCheck();
    await check.run('secret');
    expect(check.ways.value.map(({ transport, outcome }) => [transport, outcome])).toEqual([
      ['udp', 'reached'],
      ['tcp', 'missed'],
    ]);
    expect(reports.find(({ transport }) => transport === 'udp')).toEqual({ token: 'secret', transport: 'udp', host: true, reflexive: true, relayed: true });
    const missed = reports.find(({ transport }) => transport === 'tcp');
    expect([missed?.relayed, missed?.reason?.length, missed?.reason?.startsWith('701: ')]).toEqual([false, 200, true]);
    expect([check.done.value, FakeGatherer.closed]).toEqual([true, 2]);
  });

  it('says so when the link is good no more', async () => {
    const error = { code: 'check_link_invalid', message: 'This link has been used or is too old. Make a new one.' };
    begin = () => Response.json({ error }, { status: 403 });
    const check = newCheck();
    await check.run('secret');
    expect([check.error.value?.message, check.done.value, reports.length]).toEqual([error.message, false, 0]);
  });

  it('gives up on servers that never answer', async () => {
    vi.useFakeTimers();
    const silent = { connection: () => Object.assign(new FakeGatherer({}), { setLocalDescription: () => Promise.resolve() }) } as unknown as Rtc;
    const api = { begin: async () => ({ lanes: [{ transport: 'tls', iceServers: [] }] }), report: async () => ({ success: true }) };
    const check = new Check(api as unknown as CheckApi, silent);
    const run = check.run('secret');
    await vi.advanceTimersByTimeAsync(60_000);
    await run;
    expect(check.ways.value).toEqual([{ transport: 'tls', outcome: 'missed', reason: null }]);
    vi.useRealTimers();
  });
});
