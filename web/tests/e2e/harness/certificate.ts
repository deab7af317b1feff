import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const DAY_MS = 24 * 3600_000;

const CONFIG = `[ca]
default_ca = this
[this]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = policy
x509_extensions = extensions
[policy]
commonName = supplied
[extensions]
subjectAltName = DNS:localhost
basicConstraints = critical,CA:false
`;

/** Puts a certificate for localhost into a folder that was good for so many days, and is for so many more. Gives the section for it. */
export async function certificateFiles(folder: string, daysBefore: number, daysLeft: number): Promise<string> {
  const openssl = (...parts: string[]): Promise<unknown> => run('openssl', parts, { cwd: folder });
  const stamp = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString().replace(/[-:T]|\.\d+/g, '');
  await Promise.all([writeFile(join(folder, 'config'), CONFIG), writeFile(join(folder, 'index'), '')]);
  await openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key.pem', '-out', 'request', '-subj', '/CN=localhost');
  const dates = ['-startdate', stamp(-daysBefore), '-enddate', stamp(daysLeft)];
  await openssl('ca', '-config', 'config', '-batch', '-notext', '-selfsign', '-keyfile', 'key.pem', '-in', 'request', '-out', 'cert.pem', ...dates);
  return `[tls]\ncertificate_file = "${join(folder, 'cert.pem')}"\nkey_file = "${join(folder, 'key.pem')}"\n`;
}
