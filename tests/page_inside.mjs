#!/usr/bin/env node
// page_inside.mjs BINARY: the page comes out of the binary itself. Starts it where nothing of the page can be found, with
// web/dist moved aside, and compares what it serves with what was built.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const binary = resolve(process.argv[2] ?? 'target/release/hearth');
const page = fileURLToPath(new URL('../web/dist', import.meta.url));
const aside = fileURLToPath(new URL('../web/dist.aside', import.meta.url));

// A run before this one may have been interrupted.
if (existsSync(page)) rmSync(aside, { recursive: true, force: true });
else if (existsSync(aside)) renameSync(aside, page);
const folder = mkdtempSync(join(tmpdir(), 'hearth-page-'));
const config = join(folder, 'hearth.toml');
writeFileSync(config, '[server]\nlisten = ["127.0.0.1:0"]\n[relay]\nenabled = false\n');
renameSync(page, aside);
let server;
try {
  const args = ['serve', '--config', config, '--data-dir', join(folder, 'data')];
  // What is meant for somebody's own server must not configure this one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEARTH_')));
  server = spawn(binary, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'ignore'] });
  const address = await addressOf(server);
  const files = ['index.html', ...readdirSync(join(aside, 'assets')).map((name) => `assets/${name}`)];
  for (const file of files.filter((name) => !/\.(br|gz)$/.test(name))) {
    const { status, body } = await get(`${address}/${file === 'index.html' ? '' : file}`);
    if (status !== 200 || !body.equals(readFileSync(join(aside, file)))) throw new Error(`${file} is not in ${binary}: answered ${status}`);
  }
} catch (error) {
  console.error(`page_inside: ${error.message}`);
  process.exitCode = 1;
} finally {
  renameSync(aside, page);
  if (server?.exitCode === null) {
    const ended = new Promise((done) => server.once('exit', done));
    server.kill();
    await ended;
  }
  rmSync(folder, { recursive: true });
}

async function addressOf(child) {
  const failed = new Promise((_, fail) => child.once('error', fail));
  const found = (async () => {
    for await (const line of createInterface(child.stdout)) if (line.startsWith('address: ')) return line.slice('address: '.length);
    throw new Error(`${binary} did not start`);
  })();
  return Promise.race([found, failed]);
}

function get(url) {
  return new Promise((done, fail) => {
    // Its certificate is self-made.
    const asked = request(url, { rejectUnauthorized: false }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => done({ status: answer.statusCode, body: Buffer.concat(parts) }));
    });
    asked.once('error', fail);
    asked.end();
  });
}
