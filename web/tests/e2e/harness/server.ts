import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { CreateMeetingRequest } from '../../../src/wire/CreateMeetingRequest';
import type { SignedIn } from '../../../src/wire/SignedIn';
import { Api } from './api';
import { Alone, Held, type Run, type Starter } from './run';

/** Longer than the ten seconds that the server allows itself. */
const STOP_WITHIN_MS = 15_000;
const START_WITHIN_MS = 30_000;

/** The account that the one-time link makes in every test. */
export const ADMIN = { email: 'grace@example.org', name: 'Grace', password: 'correct horse battery' } as const;

/** The real binary, with a data directory and ports of its own. The same ports and data serve it again after a restart. */
export class Hearth {
  /** The program under test. */
  static readonly binary = resolve(process.env['HEARTH_BIN'] ?? '../target/debug/hearth');

  /** What people type. */
  readonly origin: string;
  readonly port: number;
  readonly api: Api;
  /** How long the last start took, from starting the program to its first good answer. */
  startedWithinMs = 0;
  private readonly folder: string;
  private readonly starter: Starter;
  private run: Run | null = null;
  private lines: string[] = [];
  private hasAdmin = false;
  /** The first account's access token; null after a start, and when it is about to run out. */
  private adminToken: string | null = null;

  private constructor(folder: string, origin: string, held: readonly string[]) {
    this.folder = folder;
    const command = [Hearth.binary, 'serve', '--data-dir', join(folder, 'data'), '--config', join(folder, 'hearth.toml')] as const;
    this.starter = held.length > 0 ? new Held(command, held) : new Alone(command);
    this.origin = origin;
    this.port = Number(new URL(origin).port || 443);
    this.api = new Api(origin);
  }

  /** A running server. `extraConfig` is TOML, put behind the sections that every test server has. */
  static async start(extraConfig = ''): Promise<Hearth> {
    const port = await freeTcpPort();
    return Hearth.startAt(`https://localhost:${port}`, configuration(port, await freeRelayPort(), await freeTcpPort()) + extraConfig);
  }

  /** The same under somebody who holds its sockets while it is away, as systemd does. */
  static async startHeld(): Promise<Hearth> {
    const [port, relay, relayTls] = [await freeTcpPort(), await freeRelayPort(), await freeTcpPort()];
    const held = [`tcp:127.0.0.1:${port}`, `tcp:127.0.0.1:${relay}`, `tcp:127.0.0.1:${relayTls}`];
    // One for each thread of the relay.
    held.push(`udp:127.0.0.1:${relay}`, `udp:127.0.0.1:${relay}`);
    return Hearth.startAt(`https://localhost:${port}`, configuration(port, relay, relayTls), held);
  }

  /** A running server that people reach at `origin`. `config` is all of its configuration. */
  static async startAt(origin: string, config: string, held: readonly string[] = []): Promise<Hearth> {
    if (!existsSync(Hearth.binary)) throw new Error(`${Hearth.binary} is missing: build it first, or name another in HEARTH_BIN`);
    const folder = await mkdtemp(join(tmpdir(), 'hearth-e2e-data-'));
    const hearth = new Hearth(folder, origin, held);
    await writeFile(join(folder, 'hearth.toml'), config);
    try {
      await hearth.startAgain();
    } catch (error) {
      await hearth.dispose();
      throw error;
    }
    return hearth;
  }

  /** Where its data lie. */
  get dataFolder(): string {
    return join(this.folder, 'data');
  }

  get pid(): number {
    if (this.run === null) throw new Error('the server is not running');
    return this.run.pid;
  }

  /** Everything it printed, all runs together. */
  get log(): string {
    return this.lines.join('\n');
  }

  /** The one-time link that makes the first admin, as the server printed it. */
  get setupLink(): string {
    const line = this.lines.find((text) => text.startsWith('setup: '));
    if (line === undefined) throw new Error(`the server printed no setup link:\n${this.log}`);
    return line.slice('setup: '.length).trim();
  }

  /** Starts the binary and waits until it serves. */
  async startAgain(): Promise<void> {
    if (this.run !== null) throw new Error('the server is running already');
    this.adminToken = null;
    const begin = performance.now();
    const run = await this.starter.start((line) => this.lines.push(line));
    this.run = run;
    let over = false;
    void run.ended.then((how) => {
      over = true;
      this.lines.push(`-- the server ended: ${how}`);
      if (this.run === run) this.run = null;
    });
    const deadline = Date.now() + START_WITHIN_MS;
    while ((await this.api.status('/healthz')) !== 200) {
      if (over || Date.now() > deadline) throw new Error(`the server did not start:\n${this.log}`);
      await new Promise((wake) => setTimeout(wake, 5));
    }
    this.startedWithinMs = performance.now() - begin;
  }

  /** Asks it to end, as a service manager does, and waits until it has. */
  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  /** Ends it at once, as a power cut does. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Creates a meeting with the first account, which it makes if need be. Gives the meeting's code. */
  async createMeeting(request: Partial<CreateMeetingRequest> = {}): Promise<string> {
    const body: CreateMeetingRequest = { title: 'Tuesday round', ...request, settings: { guestsAllowed: true, ...request.settings } };
    return (await this.api.createMeeting(await this.token(), body)).meeting.roomId;
  }

  /** The names of all who have a seat in a meeting of the first account, as the server knows them. */
  async seated(code: string): Promise<string[]> {
    const { participants } = await this.api.participants(await this.token(), code);
    return participants.map(({ name }) => name);
  }

  /** Uses the one-time link without a browser. */
  async setUp(): Promise<void> {
    const token = new URL(this.setupLink).hash.slice(1);
    this.keepToken(await this.api.setUp({ token, ...ADMIN }));
    this.hasAdmin = true;
  }

  /** Ends it and forgets its data. */
  async dispose(): Promise<void> {
    try {
      if (this.run !== null) await this.stop();
    } finally {
      await this.starter.dispose();
      await rm(this.folder, { recursive: true, force: true });
    }
  }

  private async token(): Promise<string> {
    if (!this.hasAdmin) await this.setUp();
    if (this.adminToken === null) this.keepToken(await this.api.signIn(ADMIN.email, ADMIN.password));
    return this.adminToken ?? '';
  }

  private keepToken({ accessToken, expiresInSeconds }: SignedIn): void {
    this.adminToken = accessToken;
    setTimeout(() => (this.adminToken = null), (expiresInSeconds * 1_000) / 2).unref();
  }

  private async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { run } = this;
    if (run === null) throw new Error(`the server is not running:\n${this.log}`);
    let impatience: NodeJS.Timeout | undefined;
    const tooLate = new Promise<null>((done) => (impatience = setTimeout(() => done(null), STOP_WITHIN_MS)));
    process.kill(run.pid, signal);
    const how = await Promise.race([run.ended, tooLate]);
    clearTimeout(impatience);
    if (how !== null) return;
    process.kill(run.pid, 'SIGKILL');
    throw new Error(`the server did not end within ${STOP_WITHIN_MS} ms of ${signal}:\n${this.log}`);
  }
}

function configuration(port: number, relayPort: number, relayTlsPort: number): string {
  return [
    '[server]',
    `listen = ["127.0.0.1:${port}"]`,
    '[relay]',
    `listen = ["127.0.0.1:${relayPort}"]`,
    `listen_tls = ["127.0.0.1:${relayTlsPort}"]`,
    'address = "127.0.0.1"',
    // Below the ports that the system gives out by itself, so that no other socket of the tests is in the way.
    'ports = "20000-29999"',
    '',
  ].join('\n');
}

/** The ports that were given out. */
const taken = new Set<number>();

/**
 * A port of TCP that nobody listens on at present. It is below those that the system gives out by itself, so that no connection has it
 * while its server is away.
 */
export async function freeTcpPort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 20_000);
    if (taken.has(port)) continue;
    const socket = createServer();
    const free = await new Promise<boolean>((done) => {
      socket.once('error', () => done(false));
      socket.listen(port, '127.0.0.1', () => done(true));
    });
    if (!free) continue;
    await new Promise((closed) => socket.close(closed));
    taken.add(port);
    return port;
  }
}

/** The relay listens by UDP and TCP on the same port. */
async function freeRelayPort(): Promise<number> {
  for (;;) {
    const port = await freeTcpPort();
    const socket = createSocket('udp4');
    const free = await new Promise<boolean>((done) => {
      socket.once('error', () => done(false));
      socket.bind(port, '127.0.0.1', () => done(true));
    });
    socket.close();
    if (free) return port;
  }
}
