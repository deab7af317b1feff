import { describe, expect, it } from 'vitest';
import { adminWords } from './admin';
import { en } from './en';
import { fill, translator } from './index';
import { statusWords } from './status';

describe('translator', () => {
  const { words, count, dateTime } = translator('en-GB', en);

  it('fills in values', () => {
    expect(words('home.hello', { name: 'Ada' })).toBe('Hello, Ada');
  });

  it('leaves a value alone that looks like a placeholder', () => {
    expect(words('home.hello', { name: '{name} $& {other}' })).toBe('Hello, {name} $& {other}');
  });

  it('does not read inherited properties', () => {
    expect(fill('{constructor}', {})).toBe('{constructor}');
  });

  it('chooses the form by number', () => {
    expect(count('people.count', 1)).toBe('1 person');
    expect(count('people.count', 0)).toBe('0 people');
    expect(count('people.count', 1200)).toBe('1,200 people');
  });

  it('says nothing rather than "Invalid Date"', () => {
    expect(dateTime('soon')).toBe('');
  });
});

describe.each([
  ['everywhere', en],
  ['of admin pages', adminWords],
  ['of the status', statusWords],
])('the English words %s', (_, words) => {
  it('have both forms for every counted thing', () => {
    const keys = Object.keys(words);
    for (const key of keys.filter((key) => key.endsWith('.other'))) {
      expect(keys).toContain(key.replace(/other$/, 'one'));
    }
  });

  it('never contain a raw error name', () => {
    for (const text of Object.values(words)) expect(text).not.toMatch(/[A-Z][a-z]+Error|undefined|\[object/);
  });
});
