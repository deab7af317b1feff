/** A stretch of a message: words, or an address that can be opened. */
export type Piece = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'link'; readonly text: string; readonly href: string };

const CANDIDATE = /\bhttps?:\/\/[^\s<>"'`{}|\\^]+/gi;
const CLOSING: ReadonlyMap<string, string> = new Map([['(', ')'], ['[', ']']]);
const MARK = /[.,;:!?*_~…]/;

/** Finds the http and https addresses in a text. Everything else, whatever it looks like, stays text. */
export function findLinks(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(CANDIDATE)) {
    const shown = withoutTrailingMarks(match[0]);
    const href = openable(shown);
    if (href === null) continue;
    if (match.index > end) pieces.push({ kind: 'text', text: text.slice(end, match.index) });
    pieces.push({ kind: 'link', text: shown, href });
    end = match.index + shown.length;
  }
  if (end < text.length) pieces.push({ kind: 'text', text: text.slice(end) });
  return pieces;
}

/**
 * A full stop or closing bracket after an address belongs to the sentence, unless the address opened the bracket.
 * One walk forwards and one back: anybody in a meeting can write a line that is nothing but marks.
 */
function withoutTrailingMarks(address: string): string {
  const unopened = new Map([[')', 0], [']', 0]]);
  for (const character of address) {
    const closing = CLOSING.get(character) ?? character;
    const count = unopened.get(closing);
    if (count !== undefined) unopened.set(closing, count + (closing === character ? 1 : -1));
  }
  let end = address.length;
  for (; end > 0; end--) {
    const last = address.charAt(end - 1);
    const count = unopened.get(last) ?? 0;
    if (count > 0) unopened.set(last, count - 1);
    else if (!MARK.test(last)) break;
  }
  return address.slice(0, end);
}

function openable(address: string): string | null {
  if (!URL.canParse(address)) return null;
  const url = new URL(address);
  const plain = (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '';
  return plain ? url.href : null;
}
