import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freeTcpPort } from './server';

const run = promisify(execFile);

const START_WITHIN_MS = 20_000;

/** A certificate authority on loopback: Pebble, and the name server that leads every name to this machine. */
export class Authority {
  private readonly folder: string;
  private readonly ports: { readonly api: number; readonly management: number; readonly dns: number; readonly dnsManagement: number };
  private readonly children: ChildProcess[] = [];

  private constructor(folder: string, ports: Authority['ports']) {
    this.folder = folder;
    this.ports = ports;
  }

  /** One that has its ports and does not run yet. */
  static async prepare(): Promise<Authority> {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-e2e-authority-'));
    const [api, management, dns, dnsManagement] = [await freeTcpPort(), await freeTcpPort(), await freeTcpPort(), await freeTcpPort()];
    const authority = new Authority(folder, { api, management, dns, dnsManagement });
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:false'];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', authority.file('key.pem')];
    await run('openssl', ['req', '-x509', ...key, '-out', authority.file('cert.pem'), '-days', '2', ...subject]);
    return authority;
  }

  /** The section of the configuration that leads to it. Nothing in it says that it is to be asked. */
  get settings(): string {
    const { api } = this.ports;
    return `[tls]\nacme_directory = "https://localhost:${api}/dir"\nacme_root_file = "${this.file('cert.pem')}"\nacme_retry_seconds = 1\n`;
  }

  /** Lets it run, and look servers up by TLS on this port. */
  async start(tlsPort: number): Promise<void> {
    const { api, management, dns, dnsManagement } = this.ports;
    const pebble = {
      listenAddress: `127.0.0.1:${api}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: this.file('cert.pem'),
      privateKey: this.file('key.pem'),
      tlsPort,
      // Nobody listens there.
      httpPort: 1,
      ocspResponderURL: '',
      externalAccountBindingRequired: false,
    };
    await writeFile(this.file('config.json'), JSON.stringify({ pebble }));
    const names = ['-defaultIPv6', '', '-defaultIPv4', '127.0.0.1', '-http01', '', '-https01', '', '-tlsalpn01', ''];
    this.spawn('pebble-challtestsrv', [...names, '-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${dnsManagement}`]);
    this.spawn('pebble', ['-config', this.file('config.json'), '-dnsserver', `127.0.0.1:${dns}`, '-strict=false']);
    const deadline = Date.now() + START_WITHIN_MS;
    for (const port of [api, management, dns]) {
      while (!(await answers(port))) {
        if (Date.now() > deadline) throw new Error('Pebble did not start');
        await new Promise((wake) => setTimeout(wake, 20));
      }
    }
  }

  async dispose(): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }

  private file(name: string): string {
    return join(this.folder, name);
  }

  private spawn(program: string, args: readonly string[]): void {
    this.children.push(spawn(program, args, { stdio: 'ignore', env: { ...process.env, PEBBLE_VA_NOSLEEP: '1' } }));
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}
