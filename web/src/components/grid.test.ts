import { describe, expect, it } from 'vitest';
import { cornerSize, fitBox, fitGrid, pictureFit, type Size } from './grid';

const DESKTOP: Size = { width: 1256, height: 700 };
const WITH_PANEL: Size = { width: 892, height: 700 };
const PHONE: Size = { width: 344, height: 630 };
const GAP = 8;

function used(count: number, stage: Size): Size {
  const { columns, tile } = fitGrid(count, stage, GAP);
  const rows = Math.ceil(count / columns);
  return { width: columns * tile.width + (columns - 1) * GAP, height: rows * tile.height + (rows - 1) * GAP };
}

describe('fitGrid', () => {
  it.each([3, 4, 5, 6, 7, 8, 9])('keeps %i tiles inside the stage without scrolling', (count) => {
    for (const stage of [DESKTOP, WITH_PANEL, PHONE]) {
      expect(fitGrid(count, stage, GAP).scrolls).toBe(false);
      expect(used(count, stage).width).toBeLessThanOrEqual(stage.width);
      expect(used(count, stage).height).toBeLessThanOrEqual(stage.height);
    }
  });

  it('keeps 16:9 on a wide stage', () => {
    for (const count of [3, 4, 6, 9]) {
      const { tile } = fitGrid(count, DESKTOP, GAP);
      expect(Math.abs(tile.width / tile.height - 16 / 9)).toBeLessThan(0.01);
    }
  });

  it('chooses the columns that make the tiles largest', () => {
    expect(fitGrid(4, DESKTOP, GAP).columns).toBe(2);
    expect(fitGrid(6, DESKTOP, GAP).columns).toBe(3);
    expect(fitGrid(9, DESKTOP, GAP).columns).toBe(3);
    expect(fitGrid(3, PHONE, GAP).columns).toBe(1);
    expect(fitGrid(6, PHONE, GAP).columns).toBe(2);
  });

  it('scrolls rather than making faces unrecognisable', () => {
    const grid = fitGrid(40, PHONE, GAP);
    expect(grid.scrolls).toBe(true);
    expect(grid.tile.width).toBeGreaterThanOrEqual(104);
  });

  it('gives nothing for a stage that was not measured yet', () => {
    expect(fitGrid(3, { width: 0, height: 0 }, GAP)).toEqual({ columns: 1, tile: { width: 0, height: 0 }, scrolls: false });
  });
});

describe('fitBox', () => {
  it('is limited by the narrower side', () => {
    expect(fitBox({ width: 1600, height: 450 }, 16 / 9)).toEqual({ width: 800, height: 450 });
    expect(fitBox({ width: 320, height: 900 }, 16 / 9)).toEqual({ width: 320, height: 180 });
  });
});

describe('cornerSize', () => {
  it('stays between a readable and a modest size', () => {
    expect(cornerSize({ width: 4000, height: 2000 }).width).toBe(240);
    expect(cornerSize({ width: 200, height: 100 }).width).toBe(104);
  });

  it('is upright on an upright stage', () => {
    const { width, height } = cornerSize(PHONE);
    expect(height).toBeGreaterThan(width);
  });
});

describe('pictureFit', () => {
  it('fills when little is cut off', () => {
    expect(pictureFit({ width: 1280, height: 720 }, { width: 1200, height: 800 })).toBe('cover');
  });

  it('shows the whole of a wide picture on an upright stage', () => {
    expect(pictureFit({ width: 1280, height: 720 }, { width: 344, height: 630 })).toBe('contain');
  });

  it('fills while the picture has no size yet', () => {
    expect(pictureFit({ width: 0, height: 0 }, PHONE)).toBe('cover');
  });
});
