import { spawn, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

/** One run of the program. */
export interface Run {
  readonly pid: number;
  /** How it ended, in a word. */
  readonly ended: Promise<string>;
}

/** What starts the program, as often as it is told to. Every line that the program prints goes to `say`. */
export interface Starter {
  start(say: (line: string) => void): Promise<Run>;
  dispose(): Promise<void>;
}

/** Started by itself; it binds its sockets. */
export class Alone implements Starter {
  private readonly command: readonly [string, ...string[]];

  constructor(command: readonly [string, ...string[]]) {
    this.command = command;
  }

  start(say: (line: string) => void): Promise<Run> {
    const [program, ...args] = this.command;
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment() });
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', say);
    const ended = new Promise<string>((done) => {
      child.once('exit', (code, signal) => done(String(signal ?? code)));
      child.once('error', (error) => done(error.message));
    });
    return Promise.resolve({ pid: child.pid ?? 0, ended });
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}

/** Started as by a service manager that holds the sockets, such as `tcp:127.0.0.1:8443`, while it is away. */
export class Held implements Starter {
  private readonly holder: ChildProcess;
  private say: (line: string) => void = () => undefined;
  private started: (pid: number) => void = () => undefined;
  private ended: (how: string) => void = () => undefined;

  constructor(command: readonly string[], sockets: readonly string[]) {
    const holder = spawn('python3', [resolve('../tests/hold.py'), ...sockets, '--', ...command], { stdio: 'pipe', env: environment() });
    createInterface(holder.stderr).on('line', (line) => this.say(line));
    createInterface(holder.stdout).on('line', (line) => {
      const [what, how = ''] = line.split(' ');
      if (what === 'started') this.started(Number(how));
      else this.ended(how);
    });
    holder.once('exit', () => this.ended('with its holder'));
    this.holder = holder;
  }

  async start(say: (line: string) => void): Promise<Run> {
    this.say = say;
    const started = new Promise<number>((done) => (this.started = done));
    const ended = new Promise<string>((done) => (this.ended = done));
    this.holder.stdin?.write('start\n');
    const pid = await Promise.race([started, ended.then((how) => Promise.reject(new Error(`the program did not start: ${how}`)))]);
    return { pid, ended };
  }

  async dispose(): Promise<void> {
    const over = new Promise<void>((done) => this.holder.once('exit', () => done()));
    this.holder.stdin?.end();
    await over;
  }
}

/** What steers the tests is no setting of the server's, which refuses names that it doesn't know. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEARTH_')));
}
