import type { Meter } from '../../src/media/levels';
import type { Environment, TextStore } from '../../src/state/environment';
import { FakeDevices } from './FakeDevices';
import { FakePath } from './FakePeerConnection';
import { FakeServer } from './FakeSocket';

export class FakeStore implements TextStore {
  readonly kept = new Map<string, string>();
  getItem(name: string): string | null {
    return this.kept.get(name) ?? null;
  }
  setItem(name: string, value: string): void {
    this.kept.set(name, value);
  }
}

/** One answer of the API: a status and a body, or no answer at all. */
export type FakeAnswer = { readonly status: number; readonly body: unknown } | 'no answer';

/** A browser whose time is Vitest's, and whose server is the test. */
export class FakeEnvironment implements Environment {
  readonly origin = 'https://hearth.example';
  readonly path = new FakePath();
  readonly rtc = this.path.rtc();
  readonly devices = new FakeDevices();
  readonly server = new FakeServer();
  readonly openSocket = this.server.open;
  readonly remembered = new FakeStore();
  readonly tab = new FakeStore();
  /** What the microphone gives. */
  loudness: number | null = 0.001;
  reloads = 0;
  /** What random numbers come out as. */
  chance = 0.5;
  readonly requests: { readonly method: string; readonly path: string; readonly token: string | null; readonly body: unknown }[] = [];
  /** Answers each request. */
  answer: (method: string, path: string, body: unknown) => FakeAnswer = () => 'no answer';
  awake: (() => void) | null = null;
  gone: (() => void) | null = null;
  #ids = 0;

  readonly openMeter = (): Meter => ({ level: () => this.loudness, dispose: () => undefined });
  readonly newId = (): string => `id-${(this.#ids += 1)}`;

  readonly fetch = async (path: string, init: RequestInit): Promise<Response> => {
    const method = init.method ?? 'GET';
    const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined;
    const token = new Headers(init.headers).get('authorization')?.replace('Bearer ', '') ?? null;
    this.requests.push({ method, path, token, body });
    const answer = this.answer(method, path, body);
    await Promise.resolve();
    if (answer === 'no answer') throw new TypeError('Failed to fetch');
    return new Response(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body), { status: answer.status });
  };

  monotonic(): number {
    return performance.now();
  }
  wallClock(): number {
    return Date.now();
  }
  random(): number {
    return this.chance;
  }
  reload(): void {
    this.reloads += 1;
  }
  async playTestSound(): Promise<void> {}
  onAwake(callback: () => void): () => void {
    this.awake = callback;
    return () => {
      this.awake = null;
    };
  }
  onGone(callback: () => void): () => void {
    this.gone = callback;
    return () => {
      this.gone = null;
    };
  }
}
