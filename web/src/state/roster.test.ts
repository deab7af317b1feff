import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ADA, ME, person, ZOE } from '../../tests/fakes/wire';
import { Roster } from './roster';

let settled: number;
let roster: Roster;

beforeEach(() => {
  vi.useFakeTimers();
  settled = 0;
  roster = new Roster(() => (settled += 1));
});

afterEach(() => {
  roster.clear();
  vi.useRealTimers();
});

const shown = (): string[] => roster.people.value.map(({ name, connected }) => (connected ? name : `${name} (away)`));

describe('roster', () => {
  it('follows joining, losing, returning, switching and leaving', () => {
    roster.replace([person(ME, 'Me')], 0);
    expect(roster.put(person(ADA, 'Ada'))).toBe(false);
    roster.put(person(ZOE, 'Zoe'));
    roster.away(ADA);
    expect(shown()).toEqual(['Me', 'Ada (away)', 'Zoe']);
    expect(roster.put(person(ADA, 'Ada'))).toBe(true);
    roster.media(ZOE, { audio: false, video: true, screen: false });
    roster.remove(ADA);
    expect(shown()).toEqual(['Me', 'Zoe']);
    expect(roster.find(ZOE)?.media.audio).toBe(false);
  });

  it('takes a complete list as it stands', () => {
    roster.replace([person(ME, 'Me'), person(ADA, 'Ada')], 0);
    roster.replace([person(ZOE, 'Zoe'), person(ME, 'Me')], 0);
    expect(shown()).toEqual(['Zoe', 'Me']);
  });

  it('keeps those missing after a restart for as long as they may come back', () => {
    roster.replace([person(ME, 'Me'), person(ADA, 'Ada'), person(ZOE, 'Zoe')], 0);
    roster.replace([person(ME, 'Me')], 20_000);
    expect(shown()).toEqual(['Ada (away)', 'Zoe (away)', 'Me']);
    expect(roster.put(person(ADA, 'Ada'))).toBe(true);
    vi.advanceTimersByTime(19_999);
    expect(settled).toBe(0);
    vi.advanceTimersByTime(1);
    expect(shown()).toEqual(['Ada', 'Me']);
    expect(settled).toBe(1);
  });

  it('forgets the settling when a newer list comes', () => {
    roster.replace([person(ME, 'Me'), person(ADA, 'Ada')], 0);
    roster.replace([person(ME, 'Me')], 20_000);
    roster.replace([person(ME, 'Me'), person(ADA, 'Ada')], 0);
    vi.advanceTimersByTime(60_000);
    expect(shown()).toEqual(['Me', 'Ada']);
  });
});
