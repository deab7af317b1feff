#!/usr/bin/env node
// Measures the release binary and writes target/figures.json. The measuring itself is web/tests/e2e/figures.ts, which shares
// its browsers and its server with the browser tests.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const binary = process.env.HEARTH_BIN ?? join(root, 'target/release/hearth');
const file = join(root, 'target/figures.json');

const UNITS = {
  binary_bytes: ['size of the binary', (value) => `${(value / 1e6).toFixed(1)} MB`],
  idle_rss_kib: ['memory of an idle server', (value) => `${(value / 1024).toFixed(1)} MiB`],
  start_to_serving_ms: ['start to first answer', (value) => `${value} ms`],
  first_load_gzip_bytes: ['first load of the page', (value) => `${(value / 1e3).toFixed(1)} kB`],
  join_to_first_frame_ms: ['"Join meeting" to first picture', (value) => `${value} ms`],
};

if (!existsSync(binary)) fail(`${binary} is missing: run \`make figures\`, which builds it`);
const playwright = join(root, 'web/node_modules/@playwright/test/cli.js');
if (!existsSync(playwright)) fail('the packages of web/ are missing: run `npm ci` in web/ first');
const run = spawnSync(process.execPath, [playwright, 'test', '--project=figures', '--reporter=line'], {
  cwd: join(root, 'web'),
  env: { ...process.env, HEARTH_BIN: binary, HEARTH_FIGURES: file },
  stdio: ['ignore', 'inherit', 'inherit'],
});
if (run.status !== 0) fail('the measurements could not be finished');

const figures = JSON.parse(readFileSync(file, 'utf8'));
console.log();
for (const [name, [what, format]] of Object.entries(UNITS)) console.log(`  ${what.padEnd(32)}${format(figures[name])}`);
console.log(`\n  written to target/figures.json`);

function fail(why) {
  console.error(`figures: ${why}`);
  process.exit(1);
}
