import { describe, expect, it } from 'vitest';
import { captureSize, videoCap } from './quality';

describe('quality', () => {
  it('falls as the meeting grows, so that the sum of what is sent stays within a usual uplink', () => {
    const caps = [1, 2, 3, 4, 5, 6, 7].map(videoCap);
    for (const [index, cap] of caps.entries()) {
      const before = caps[index - 1];
      if (!before) continue;
      expect(cap.maxBitrate).toBeLessThanOrEqual(before.maxBitrate);
      expect(cap.maxFramerate).toBeLessThanOrEqual(before.maxFramerate);
      expect(cap.scaleResolutionDownBy).toBeGreaterThanOrEqual(before.scaleResolutionDownBy);
    }
    expect(Math.max(...caps.map((cap, index) => cap.maxBitrate * (index + 1)))).toBeLessThanOrEqual(1_800_000);
  });

  it('asks the camera for less from four people on', () => {
    expect([3, 4].map((people) => captureSize(people).height)).toEqual([720, 360]);
  });
});
