import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ADA, ME } from '../../tests/fakes/wire';
import type { ChatMessage } from '../wire/ChatMessage';
import { Chat } from './chat';

let sent: string[];
let chat: Chat;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  let ids = 0;
  chat = new Chat(() => `id-${(ids += 1)}`, ({ id }) => sent.push(id));
  chat.welcome(ME, []);
});

afterEach(() => {
  chat.dispose();
  vi.useRealTimers();
});

function line(id: string, from: ChatMessage['from'], text: string, second = 0): ChatMessage {
  return { id, from, fromName: 'Name', to: null, text, sentAt: `2026-01-01T09:00:0${second}Z` };
}

function say(text: string): void {
  chat.say(text, null, { id: ME, name: 'Me' }, '2026-01-01T09:00:05Z');
}

const shown = (): string[] => chat.lines.value.map(({ text, pending, failed }) => text + (pending ? ' …' : '') + (failed ?? ''));

describe('chat', () => {
  it('shows a line at once and confirms it in its place', () => {
    say('one');
    say('two');
    expect(shown()).toEqual(['one …', 'two …']);
    chat.receive(line('id-1', ME, 'one'));
    expect(shown()).toEqual(['one', 'two …']);
    expect(chat.lines.value.every(({ mine }) => mine)).toBe(true);
  });

  it('sends again after a loss what was not confirmed, until it is', () => {
    say('one');
    say('two');
    chat.receive(line('id-1', ME, 'one'));
    chat.welcome(ME, [line('id-1', ME, 'one')]);
    chat.welcome(ME, [line('id-1', ME, 'one')]);
    expect(sent).toEqual(['id-1', 'id-2', 'id-2', 'id-2']);
    chat.welcome(ME, [line('id-1', ME, 'one'), line('id-2', ME, 'two')]);
    expect(sent).toHaveLength(4);
    expect(shown()).toEqual(['one', 'two']);
  });

  it('shows a line once, however often it is told, and keeps apart what others call the same', () => {
    say('mine');
    chat.receive(line('x', ADA, 'hers'));
    chat.receive(line('x', ADA, 'hers'));
    chat.receive(line('x', ME, 'of another tab'));
    chat.receive(line('id-1', ME, 'mine'));
    chat.receive(line('id-1', ME, 'mine'));
    expect(shown()).toEqual(['mine', 'hers', 'of another tab']);
  });

  it('knows its own line again when the seat has changed meanwhile', () => {
    say('mine');
    chat.welcome(ADA, [line('id-1', ADA, 'mine')]);
    expect(shown()).toEqual(['mine']);
    expect(chat.lines.value[0]?.mine).toBe(true);
  });

  it('keeps what was written before the server forgot it, in the order of time', () => {
    chat.receive(line('b', ADA, 'second', 2));
    chat.welcome(ME, [line('a', ADA, 'first', 1), line('c', ADA, 'third', 3)]);
    expect(shown()).toEqual(['first', 'second', 'third']);
  });

  it('counts what others wrote since one looked, not what was there before', () => {
    const late = new Chat(() => 'id', () => undefined);
    late.welcome(ME, [line('a', ADA, 'old')]);
    expect(late.unread.value).toBe(0);
    late.receive(line('b', ADA, 'new'));
    late.receive(line('b', ADA, 'new'));
    late.welcome(ME, [line('a', ADA, 'old'), line('b', ADA, 'new'), line('c', ADA, 'missed')]);
    expect(late.unread.value).toBe(2);
    late.markRead();
    expect(late.unread.value).toBe(0);
  });

  it('says why a line was refused, and does not send it again', () => {
    say('one');
    chat.refused('id-1', { code: 'chat_disabled', message: 'Chat is switched off.' });
    chat.welcome(ME, []);
    expect(shown()).toEqual(['oneChat is switched off.']);
    expect(sent).toEqual(['id-1']);
  });

  it('never lets others write under an own line’s name, whatever they call theirs', () => {
    say('mine');
    chat.receive(line('id-1', ADA, 'forged'));
    expect(shown()).toEqual(['mine …', 'forged']);
    chat.receive(line('id-1', ME, 'mine'));
    chat.receive(line('id-1', ADA, 'forged again'));
    expect(chat.lines.value.map(({ text, mine }) => [text, mine])).toEqual([['mine', true], ['forged again', false]]);
  });

  it('orders times that are written with and without fractions', () => {
    const at = (id: string, sentAt: string): ChatMessage => ({ ...line(id, ADA, id), sentAt });
    chat.welcome(ME, [at('second', '2026-01-01T09:00:00.5Z'), at('first', '2026-01-01T09:00:00Z')]);
    expect(shown()).toEqual(['first', 'second']);
  });

  it('sends many lines again in order and at the server’s pace', async () => {
    for (let count = 1; count <= 23; count += 1) say(`line ${count}`);
    sent = [];
    chat.welcome(ME, []);
    expect(sent).toHaveLength(20);
    say('line 24');
    expect(sent).toHaveLength(20);
    await vi.advanceTimersByTimeAsync(1_200);
    expect(sent.slice(20)).toEqual(['id-21', 'id-22']);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sent.slice(20)).toEqual(['id-21', 'id-22', 'id-23', 'id-24']);
  });

  it('sends a line again that came too fast for the server', async () => {
    say('one');
    chat.refused('id-1', { code: 'chat_too_fast', message: 'Wait.' });
    expect(shown()).toEqual(['one …']);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(sent).toEqual(['id-1', 'id-1']);
    chat.refused('id-1', { code: 'chat_too_fast', message: 'Wait.' });
    chat.receive(line('id-1', ME, 'one'));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sent).toHaveLength(2);
  });
});
