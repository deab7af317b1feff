import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import type { ServerMessage } from '../wire/ServerMessage';
import { dispatch, parseServerMessage, PROTOCOL_VERSION, type Handlers } from './protocol';

/** The samples that the server's tests write and read; a package of the page alone lacks them. */
const FIXTURES = new URL('../../../src/wire/fixtures/', import.meta.url);
const files = existsSync(FIXTURES) ? readdirSync(FIXTURES).filter((name) => name.startsWith('server.')) : [];

const TYPES: readonly ServerMessage['type'][] = [
  'welcome',
  'participantJoined',
  'participantDisconnected',
  'participantReturned',
  'participantLeft',
  'offer',
  'answer',
  'candidate',
  'mediaChanged',
  'chat',
  'iceServers',
  'meetingEnded',
  'serverRestart',
  'pong',
  'error',
];

describe.skipIf(files.length === 0)('the samples of the server', () => {
  it.each(files)('%s is taken and goes to its handler', (name) => {
    const handlers = Object.fromEntries(TYPES.map((type) => [type, vi.fn()])) as unknown as Handlers;
    const message = parseServerMessage(readFileSync(new URL(name, FIXTURES), 'utf8'));
    expect(message).not.toBeNull();
    if (message) dispatch(message, handlers);
    const type = name.split('.')[1] as ServerMessage['type'];
    expect(handlers[type]).toHaveBeenCalledExactlyOnceWith(message);
    if (message?.type === 'welcome') expect(message.protocol).toBe(PROTOCOL_VERSION);
  });

  it('cover every message', () => {
    const covered = new Set(files.map((name) => name.split('.')[1]));
    expect(TYPES.filter((type) => !covered.has(type))).toEqual([]);
  });
});
