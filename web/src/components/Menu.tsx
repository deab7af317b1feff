import { useSignal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { CheckIcon } from './icons';

export interface MenuItem {
  readonly key: string;
  readonly label: string;
  readonly icon?: JSX.Element;
  readonly bad?: boolean;
  /** Given for one choice among several: whether it is the present one. */
  readonly chosen?: boolean;
  readonly onSelect: () => void;
}

export interface MenuGroup {
  readonly title?: string;
  readonly items: readonly MenuItem[];
}

interface Properties {
  label: string;
  look: string;
  groups: readonly MenuGroup[];
  place: 'above start' | 'above end' | 'below end';
  id?: string;
  children: ComponentChildren;
}

/** A button that opens a list of actions or choices, worked by pointer or by arrow keys. */
export function Menu({ label, look, groups, place, id, children }: Properties): JSX.Element {
  const open = useSignal(false);
  const anchor = useRef<HTMLDivElement>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    open.value = false;
    trigger.current?.focus();
  };
  useEffect(() => {
    if (!open.value) return undefined;
    const onPointerDown = (event: PointerEvent): void => {
      if (!(event.target instanceof Node && anchor.current?.contains(event.target))) open.value = false;
    };
    document.addEventListener('pointerdown', onPointerDown);
    return () => document.removeEventListener('pointerdown', onPointerDown);
  }, [open.value]);
  return (
    <div class="menu-anchor" ref={anchor}>
      <button
        ref={trigger}
        id={id}
        type="button"
        class={look}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open.value}
        onClick={() => {
          open.value = !open.value;
        }}
      >
        {children}
      </button>
      {open.value && <MenuList label={label} groups={groups} place={place} close={close} />}
    </div>
  );
}

function MenuList({ label, groups, place, close }: Pick<Properties, 'label' | 'groups' | 'place'> & { close: () => void }): JSX.Element {
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const menu = list.current;
    if (!menu) return;
    keepInside(menu);
    const first = menu.querySelector<HTMLElement>('[aria-checked="true"]') ?? menu.querySelector<HTMLElement>('[role^="menuitem"]');
    first?.focus();
  }, []);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === 'Tab') {
      close();
    } else if (list.current && moveFocus(list.current, event.key)) {
      event.preventDefault();
    }
  };
  return (
    <div ref={list} class={`menu ${place}`} role="menu" aria-label={label} onKeyDown={onKeyDown}>
      {groups.map((group, index) => (
        <div key={group.title ?? index} role="group" aria-label={group.title ?? label}>
          {group.title !== undefined && <p class="menu-title">{group.title}</p>}
          {group.items.map((item) => (
            <Item key={item.key} item={item} close={close} />
          ))}
        </div>
      ))}
    </div>
  );
}

function Item({ item, close }: { item: MenuItem; close: () => void }): JSX.Element {
  const choice = item.chosen !== undefined;
  return (
    <button
      type="button"
      role={choice ? 'menuitemradio' : 'menuitem'}
      aria-checked={item.chosen}
      tabIndex={-1}
      class={item.bad ? 'menu-item bad' : 'menu-item'}
      onClick={() => {
        close();
        item.onSelect();
      }}
    >
      {choice && <span class="menu-check">{item.chosen && <CheckIcon />}</span>}
      {item.icon}
      <span>{item.label}</span>
    </button>
  );
}

/** Shifts a menu that would stick out at the side of the window. */
function keepInside(menu: HTMLElement): void {
  const margin = 8;
  const { left, right } = menu.getBoundingClientRect();
  const beyond = right - (document.documentElement.clientWidth - margin);
  const shift = beyond > 0 ? -Math.min(beyond, left - margin) : Math.max(0, margin - left);
  if (shift !== 0) menu.style.translate = `${shift}px`;
}

function moveFocus(menu: HTMLElement, key: string): boolean {
  const items = [...menu.querySelectorAll<HTMLElement>('[role^="menuitem"]')];
  const at = items.findIndex((item) => item === document.activeElement);
  const targets: Readonly<Record<string, number>> = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1,
  };
  const target = Object.hasOwn(targets, key) ? targets[key] : undefined;
  if (target === undefined) return false;
  items[target]?.focus();
  return true;
}
