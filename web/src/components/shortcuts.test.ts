import { describe, expect, it } from 'vitest';
import { actionOf, type KeyPress } from './shortcuts';

function press(key: string, change: Partial<KeyPress> = {}): KeyPress {
  return { key, code: key === ' ' ? 'Space' : `Key${key.toUpperCase()}`, ctrlKey: false, metaKey: false, altKey: false, repeat: false, ...change };
}

describe('actionOf', () => {
  it.each([
    ['m', 'microphone'],
    ['M', 'microphone'],
    ['v', 'camera'],
    ['c', 'chat'],
    ['p', 'people'],
    ['?', 'list'],
    [' ', 'talk'],
  ] as const)('%j means %s', (key, action) => {
    expect(actionOf(press(key), 'elsewhere')).toBe(action);
  });

  it('takes Ctrl and Cmd with D and E', () => {
    expect(actionOf(press('d', { ctrlKey: true }), 'elsewhere')).toBe('microphone');
    expect(actionOf(press('e', { metaKey: true }), 'control')).toBe('camera');
  });

  it('leaves the browser its own combinations', () => {
    expect(actionOf(press('c', { ctrlKey: true }), 'elsewhere')).toBeNull();
    expect(actionOf(press('p', { metaKey: true }), 'elsewhere')).toBeNull();
    expect(actionOf(press('m', { altKey: true }), 'elsewhere')).toBeNull();
  });

  it('is off in text fields', () => {
    for (const key of ['m', 'v', 'c', 'p', '?', ' ']) expect(actionOf(press(key), 'text')).toBeNull();
    expect(actionOf(press('d', { ctrlKey: true }), 'text')).toBeNull();
  });

  it('lets Space press the button that has the focus', () => {
    expect(actionOf(press(' '), 'control')).toBeNull();
    expect(actionOf(press('m'), 'control')).toBe('microphone');
  });

  it('switches once while a key is held down', () => {
    expect(actionOf(press('m', { repeat: true }), 'elsewhere')).toBeNull();
  });

  it('does not take inherited names for keys', () => {
    expect(actionOf(press('constructor'), 'elsewhere')).toBeNull();
  });
});
