#!/usr/bin/env node
// probe.mjs CHECK ADDRESS [WORD]: looks whether the Hearth at https://ADDRESS does one thing, as a browser would, and says so.
//   ready          waits until it can work
//   setup LINK     its page is there, and the setup link makes the first admin, who creates a meeting
//   again          that admin can still sign in, and the meeting is still there
//   relay          that admin joins the meeting, and a packet goes through the relay and back
//   named NAME     the place is called so
//   token TOKEN    who comes from elsewhere gets the figures with this token only
//   watch          asks again and again until it is told to stop (SIGTERM), and then tells whether it was always answered
import { request } from 'node:https';
import { Client } from './turn.mjs';

const ADMIN = { email: 'ada@example.org', password: 'correct horse battery' };
const TITLE = 'Choir rehearsal';
const PATIENCE = 60_000;

const [check, host, word] = process.argv.slice(2);
const checks = { ready, setup, again, relay, named, token, watch };
const late = setTimeout(() => fail(new Error(`it did not come about within ${PATIENCE / 1000} s`)), PATIENCE);
if (check === 'watch') clearTimeout(late);
try {
  console.log(`  ok: ${await checks[check]()}`);
  process.exit(0);
} catch (error) {
  fail(error);
}

function fail(error) {
  console.error(`  FAILED: ${check}: ${error.message}`);
  process.exit(1);
}

async function ready() {
  for (;;) {
    const answer = await ask('GET', '/readyz').catch(() => undefined);
    if (answer?.status === 200) return `https://${host} is ready`;
    await pause(200);
  }
}

async function setup() {
  const page = await ask('GET', '/');
  if (page.status !== 200 || !page.text.includes('<div id="app">')) throw new Error(`no page: ${page.status} ${page.text.slice(0, 200)}`);
  const token = word?.split('#')[1] ?? '';
  const { accessToken } = await json('POST', '/api/setup', { ...ADMIN, name: 'Ada', token });
  await json('POST', '/api/meetings/create', { title: TITLE }, accessToken);
  return 'the page is there, and the setup link made an admin, who created a meeting';
}

async function again() {
  const { meeting } = await signIn();
  return `the admin signs in, and "${meeting.title}" is still there`;
}

async function relay() {
  const { accessToken, meeting } = await signIn();
  const { iceServers } = await json('POST', '/api/meetings/join', { roomId: meeting.roomId }, accessToken);
  const server = iceServers.find(({ urls }) => urls.some((url) => url.startsWith('turn:') && !url.endsWith('tcp')));
  if (!server) throw new Error(`no relay is offered: ${JSON.stringify(iceServers)}`);
  const [, name, port] = /^turn:(.*):(\d+)/.exec(server.urls.find((url) => url.startsWith('turn:')));
  const [one, other] = [new Client(name, Number(port), server), new Client(name, Number(port), server)];
  const seen = await one.binding();
  const [here, there] = [await one.allocate(), await other.allocate()];
  await one.permit(there);
  await other.permit(here);
  // UDP may lose each of them.
  const sending = setInterval(() => one.send(there, 'to'), 200);
  if ((await other.receive()) !== 'to') throw new Error('another packet came out than went in');
  clearInterval(sending);
  const returning = setInterval(() => other.send(here, 'fro'), 200);
  if ((await one.receive()) !== 'fro') throw new Error('another packet came back than went in');
  clearInterval(returning);
  return `STUN sees ${seen.text}; a packet went from ${here.text} to ${there.text} and one back`;
}

async function named() {
  for (;;) {
    const { name } = await json('GET', '/api/server');
    if (name === word) return `it is called "${name}" now`;
    await pause(200);
  }
}

async function token() {
  const elsewhere = { 'x-forwarded-for': '192.0.2.7' };
  const refused = await ask('GET', '/metrics', undefined, undefined, elsewhere);
  if (refused.status < 400) throw new Error(`the figures are there without the token: ${refused.status}`);
  const given = await ask('GET', '/metrics', undefined, word, elsewhere);
  if (!given.text.includes('hearth_')) throw new Error(`no figures with the token: ${given.status} ${given.text.slice(0, 200)}`);
  return `the figures are had with the token; without it the answer is ${refused.status}`;
}

async function watch() {
  let [tries, going] = [0, true];
  const unanswered = [];
  process.once('SIGTERM', () => (going = false));
  while (going) {
    tries += 1;
    // Each on a connection of its own. A server that stops hangs up on those who have said nothing yet, who then try once more.
    const once = () => ask('GET', '/healthz').catch((error) => ({ status: error.code ?? error.message }));
    let { status } = await once();
    if (status === 'ECONNRESET') ({ status } = await once());
    if (status !== 200) unanswered.push(status);
    await pause(5);
  }
  if (tries === 0) throw new Error('nothing was asked');
  if (unanswered.length > 0) throw new Error(`${unanswered.length} of ${tries} requests got no answer: ${[...new Set(unanswered)]}`);
  return `${tries} requests meanwhile, and all were answered`;
}

async function signIn() {
  const { accessToken } = await json('POST', '/api/auth/login', ADMIN);
  const { meetings } = await json('GET', '/api/meetings', undefined, accessToken);
  const meeting = meetings.find(({ title }) => title === TITLE);
  if (!meeting) throw new Error(`the meeting is gone: ${JSON.stringify(meetings)}`);
  return { accessToken, meeting };
}

async function json(method, path, body, token) {
  const { status, text } = await ask(method, path, body, token);
  if (status >= 300) throw new Error(`${method} ${path} answered ${status} ${text}`);
  return JSON.parse(text);
}

function ask(method, path, body, token, more) {
  const headers = { 'content-type': 'application/json', ...more, ...(token && { authorization: `Bearer ${token}` }) };
  return new Promise((done, refuse) => {
    // Its certificate is self-made.
    const options = { method, headers, rejectUnauthorized: false, agent: false, timeout: 10_000 };
    const asked = request(`https://${host}${path}`, options, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.once('error', refuse);
      answer.on('end', () => done({ status: answer.statusCode, text: Buffer.concat(parts).toString() }));
    });
    asked.once('timeout', () => asked.destroy(new Error('no answer')));
    asked.once('error', refuse);
    asked.end(body && JSON.stringify(body));
  });
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
