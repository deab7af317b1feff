import { describe, expect, it } from 'vitest';
import { bytes, duration, percent } from './amounts';

describe('amounts', () => {
  it.each([
    [0, '0 bytes'],
    [999, '999 bytes'],
    [1_500, '1.5 kB'],
    [23_456_789, '23 MB'],
    [9_960_000, '10 MB'],
    [512_000_000_000, '512 GB'],
    [7_200_000_000_000_000, '7,200 TB'],
  ])('%d is %s', (amount, text) => {
    expect(bytes(amount)).toBe(text);
  });

  it.each([
    [0, '0 seconds'],
    [1, '1 second'],
    [119, '119 seconds'],
    [120, '2 minutes'],
    [7_199, '119 minutes'],
    [7_200, '2 hours'],
    [172_800, '2 days'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  it.each([
    [0, 3, '0 %'],
    [1, 1_000, '1 %'],
    [2, 3, '67 %'],
    [999, 1_000, '99 %'],
    [3, 3, '100 %'],
  ])('%d of %d are %s', (part, whole, text) => {
    expect(percent(part, whole)).toBe(text);
  });
});
