import { createContext } from 'preact';
import { useContext, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Router } from '../router';
import type { App } from '../state/app';
import { t } from '../i18n';
import type { Settings } from './settings';

/** What every page can reach. */
export interface Ui {
  readonly app: App;
  readonly router: Router;
  readonly settings: Settings;
}

export const UiContext = createContext<Ui | null>(null);

export function useUi(): Ui {
  const ui = useContext(UiContext);
  if (!ui) throw new Error('components are rendered inside UiContext');
  return ui;
}

/** What this place is called. */
export function usePlace(): string {
  return useUi().app.session.server.value?.name || t('app.name');
}

/**
 * Names the document after the page, and returns the ref of the heading that takes the focus when the page is reached.
 * The first page of a visit leaves the focus to the browser, unless `always` is said: what had the focus is gone then.
 */
export function usePageHeading(title: string, always = false): { current: HTMLHeadingElement | null } {
  const { router } = useUi();
  const place = usePlace();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = title === place ? title : `${title} · ${place}`;
  }, [title, place]);
  useEffect(() => {
    if (always || router.moved) heading.current?.focus();
  }, [router, always]);
  return heading;
}

/** Something with a lifetime that ends with the component. */
export function useOwned<T extends { dispose(): void }>(create: () => T): T {
  const owned = useMemo(create, []);
  useEffect(() => () => owned.dispose(), [owned]);
  return owned;
}

/** Whether a media query matches, kept up to date. */
export function useMedia(query: string): boolean {
  const list = useMemo(() => window.matchMedia(query), [query]);
  const [matches, setMatches] = useState(list.matches);
  useEffect(() => {
    const update = (): void => setMatches(list.matches);
    update();
    list.addEventListener('change', update);
    return () => list.removeEventListener('change', update);
  }, [list]);
  return matches;
}
