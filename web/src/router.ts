import { computed, type ReadonlySignal, signal } from '@preact/signals';

/** A page and what its address says. */
export type Route =
  | { readonly page: 'home' }
  | { readonly page: 'signIn'; readonly next: string | null }
  | { readonly page: 'register'; readonly next: string | null }
  | { readonly page: 'setup' }
  | { readonly page: 'check' }
  | { readonly page: 'trust' }
  | { readonly page: 'meeting'; readonly code: string }
  | { readonly page: 'admin'; readonly section: AdminSection }
  | { readonly page: 'notFound' };

/** The pages for administrators. */
export type AdminSection = 'status' | 'settings' | 'doctor';

/** The page of an address on this server. */
export function parseRoute(path: string, query = ''): Route {
  const parts = path.split('/').filter((part) => part !== '');
  const [first, second] = parts;
  if (first === undefined) return { page: 'home' };
  if (first === 'm' && second !== undefined && parts.length === 2) {
    const code = parseMeetingCode(second);
    return code === null ? { page: 'notFound' } : { page: 'meeting', code };
  }
  if (first === 'admin') return parseAdminRoute(parts.slice(1));
  if (parts.length > 1) return { page: 'notFound' };
  const next = safeNext(new URLSearchParams(query).get('next'));
  switch (first) {
    case 'signin':
      return { page: 'signIn', next };
    case 'register':
      return { page: 'register', next };
    case 'setup':
      return { page: 'setup' };
    case 'check':
      return { page: 'check' };
    case 'trust':
      return { page: 'trust' };
    default:
      return { page: 'notFound' };
  }
}

function parseAdminRoute([name, ...rest]: readonly string[]): Route {
  const section = ADMIN_SECTIONS.find((section) => adminPath(section) === (name === undefined ? '/admin' : `/admin/${name}`));
  return section === undefined || rest.length > 0 ? { page: 'notFound' } : { page: 'admin', section };
}

/** In the order in which they are offered. */
export const ADMIN_SECTIONS: readonly AdminSection[] = ['status', 'settings', 'doctor'];

export function adminPath(section: AdminSection): string {
  return section === 'status' ? '/admin' : `/admin/${section}`;
}

/** Where to go on after signing in: a meeting's page and nothing else, so that no link can send people elsewhere. */
function safeNext(next: string | null): string | null {
  const route = next?.startsWith('/m/') ? parseRoute(next) : null;
  return route?.page === 'meeting' ? meetingPath(route.code) : null;
}

/**
 * Reads a meeting's code as people type or paste it: alone or at the end of a link, in any case, with or without
 * hyphens; `o`, `i`, `l` mean `0`, `1`, `1`. Null when it is none.
 */
export function parseMeetingCode(text: string): string | null {
  const pasted = /\/m\/([^/?#\s]+)/.exec(text)?.[1];
  const symbols = (pasted ?? text)
    .trim()
    .toLowerCase()
    .replace(/[\s-]/g, '')
    .replace(/o/g, '0')
    .replace(/[il]/g, '1');
  if (!/^[0-9a-hjkmnp-tv-z]{12}$/.test(symbols)) return null;
  return `${symbols.slice(0, 4)}-${symbols.slice(4, 8)}-${symbols.slice(8)}`;
}

export function meetingPath(code: string): string {
  return `/m/${code}`;
}

/** Which page is shown, over the browser's history. Lives as long as the page. */
export class Router {
  readonly route: ReadonlySignal<Route>;
  readonly #address = signal({ path: '/', query: '' });
  readonly #window: Window;
  #moved = false;

  constructor(browser: Window) {
    this.#window = browser;
    this.route = computed(() => parseRoute(this.#address.value.path, this.#address.value.query));
    this.#read();
    browser.addEventListener('popstate', this.#onPopState);
    browser.document.addEventListener('click', this.#onClick);
  }

  /** True once the reader went from one page to another; the first page takes no focus away from the browser. */
  get moved(): boolean {
    return this.#moved;
  }

  go(path: string): void {
    this.#window.history.pushState(null, '', path);
    this.#arrive();
    this.#window.scrollTo(0, 0);
  }

  /** As `go`, but "back" does not return to the page that is left. */
  replace(path: string): void {
    this.#window.history.replaceState(null, '', path);
    this.#arrive();
  }

  readonly #onPopState = (): void => this.#arrive();

  /** Plain clicks on links within this place change the page without loading it anew. */
  readonly #onClick = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.target !== '' || link.hasAttribute('download') || link.origin !== this.#window.location.origin) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  };

  #arrive(): void {
    this.#moved = true;
    this.#read();
  }

  #read(): void {
    const { pathname, search } = this.#window.location;
    this.#address.value = { path: pathname, query: search };
  }
}
