import type { JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n';
import type { PersonView, Room } from '../state/room';
import { CopyLink, meetingLink } from './CopyLink';
import { cornerSize, fitBox, fitGrid, type Size } from './grid';
import { Tile } from './Tile';

/** The distance between tiles; the same as `--space-2` of the design tokens. */
const GAP = 8;
const WIDE = 16 / 9;
/** The card beside oneself, with its distance. */
const CARD: Size = { width: 344, height: 236 };

type Layout = 'alone' | 'two' | 'grid';

/** Everybody in the meeting, as large as the window allows. Tiles keep their elements when the layout changes, so no picture or sound stops. */
export function Stage({ room }: { room: Room }): JSX.Element {
  const [ref, size] = useSize();
  const people = room.people.value;
  const layout: Layout = people.length <= 1 ? 'alone' : people.length === 2 ? 'two' : 'grid';
  const upright = size.height > size.width;
  const grid = fitGrid(people.length, size, GAP);
  const tileSize = (person: PersonView): Size => {
    if (layout === 'grid') return grid.tile;
    if (layout === 'alone') return aloneSize(size, upright);
    return person.self ? cornerSize(size) : size;
  };
  return (
    <section class="stage" ref={ref} aria-label={t('room.stage')}>
      <div class={layout === 'grid' && grid.scrolls ? 'stage-inner scrolls' : 'stage-inner'} data-layout={layout} data-upright={upright}>
        {people.map((person) => (
          <Tile key={person.id} room={room} person={person} size={tileSize(person)} corner={layout === 'two' && person.self} />
        ))}
        {layout === 'alone' && people.length === 1 && <Invitation room={room} />}
      </div>
    </section>
  );
}

function aloneSize(stage: Size, upright: boolean): Size {
  const left = upright
    ? { width: stage.width, height: stage.height - CARD.height }
    : { width: stage.width - CARD.width, height: stage.height };
  return upright ? fitBox(left, Math.max(1, Math.min(WIDE, left.width / Math.max(1, left.height)))) : fitBox(left, WIDE);
}

function Invitation({ room }: { room: Room }): JSX.Element | null {
  const info = room.info.value;
  if (!info) return null;
  const link = meetingLink(info.roomId);
  return (
    <div class="invite">
      <h2>{t('room.aloneTitle')}</h2>
      <p class="soft small">{t('room.aloneHint')}</p>
      <p class="link-text">{link}</p>
      <CopyLink link={link} look="primary wide" />
    </div>
  );
}

/** The size of an element, followed as it changes. */
function useSize(): [ref: { current: HTMLElement | null }, size: Size] {
  const ref = useRef<HTMLElement>(null);
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const measure = (): void => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, size];
}
