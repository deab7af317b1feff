import { describe, expect, it } from 'vitest';
import { hueOf, initials } from './person';

describe('initials', () => {
  it.each([
    ['Ada Lovelace', 'AL'],
    ['  ada  ', 'A'],
    ['Jean-Luc Marie Picard', 'JP'],
    ['étienne', 'É'],
    ['김 철수', '김철'],
    ['(ops) 7', 'O7'],
    ['🙂', '?'],
    ['', '?'],
  ])('%j becomes %j', (name, letters) => {
    expect(initials(name)).toBe(letters);
  });
});

describe('hueOf', () => {
  it('is the same for the same name, however written', () => {
    expect(hueOf('Ada Lovelace')).toBe(hueOf(' ada lovelace '));
  });

  it('spreads names over all colours', () => {
    const hues = new Set(Array.from({ length: 200 }, (_, index) => hueOf(`Person ${index}`)));
    expect([...hues].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
