/** A size in CSS pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** How the tiles of a meeting are laid out. */
export interface Grid {
  readonly columns: number;
  readonly tile: Size;
  /** True when the tiles don't fit: they keep a readable size and the stage scrolls. */
  readonly scrolls: boolean;
}

const WIDE = 16 / 9;
/** On an upright stage squarer tiles may use the room better; telephones send upright pictures anyway. */
const UPRIGHT_RATIOS = [WIDE, 4 / 3, 1];
/** Narrower than this nobody can be recognised. */
const SMALLEST_TILE_WIDTH = 104;

function tileFor(columns: number, count: number, stage: Size, gap: number, ratio: number): Size {
  const rows = Math.ceil(count / columns);
  const widest = (stage.width - gap * (columns - 1)) / columns;
  const highest = (stage.height - gap * (rows - 1)) / rows;
  const width = Math.max(0, Math.floor(Math.min(widest, highest * ratio)));
  return { width, height: Math.floor(width / ratio) };
}

/** The even grid whose tiles are as large as they can be without leaving the stage. */
export function fitGrid(count: number, stage: Size, gap: number): Grid {
  const ratios = stage.height > stage.width ? UPRIGHT_RATIOS : [WIDE];
  let best: Grid = { columns: 1, tile: { width: 0, height: 0 }, scrolls: false };
  for (const ratio of ratios) {
    for (let columns = 1; columns <= count; columns += 1) {
      const tile = tileFor(columns, count, stage, gap, ratio);
      if (tile.width * tile.height > best.tile.width * best.tile.height) best = { columns, tile, scrolls: false };
    }
  }
  return best.tile.width < SMALLEST_TILE_WIDTH && stage.width > 0 ? scrollingGrid(stage, gap) : best;
}

function scrollingGrid(stage: Size, gap: number): Grid {
  const columns = Math.max(1, Math.floor((stage.width + gap) / (SMALLEST_TILE_WIDTH * 1.4 + gap)));
  const width = Math.floor((stage.width - gap * (columns - 1)) / columns);
  return { columns, tile: { width, height: Math.floor(width / WIDE) }, scrolls: true };
}

/** The largest box of a ratio inside another. */
export function fitBox(stage: Size, ratio: number): Size {
  const width = Math.max(0, Math.floor(Math.min(stage.width, stage.height * ratio)));
  return { width, height: Math.floor(width / ratio) };
}

/** The size of oneself in the corner of the other's picture. */
export function cornerSize(stage: Size): Size {
  const upright = stage.height > stage.width;
  const width = Math.round(Math.min(240, Math.max(104, stage.width * (upright ? 0.28 : 0.2))));
  return { width, height: Math.round(upright ? width * (4 / 3) : width / WIDE) };
}

/** Whether a picture fills its box, or is shown whole because filling would cut off too much of it. */
export function pictureFit(picture: Size, box: Size): 'cover' | 'contain' {
  if (picture.width === 0 || picture.height === 0 || box.width === 0 || box.height === 0) return 'cover';
  const ratios = [picture.width / picture.height, box.width / box.height];
  return Math.min(...ratios) / Math.max(...ratios) < 0.55 ? 'contain' : 'cover';
}
