/** A stretch of a message: words, or an address that can be opened. */
export type Piece = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'link'; readonly text: string; readonly href: string };

const CANDIDATE = /\bhttps?:\/\/[^\s<>"'`{}|\\^]+/gi;
const OPENING: Readonly<Record<string, string>> = { ')': '(', ']': '[' };

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

/** A full stop or closing bracket after an address belongs to the sentence, unless the address opened the bracket. */
function withoutTrailingMarks(address: string): string {
  let kept = address;
  for (;;) {
    const last = kept.at(-1) ?? '';
    const opening = OPENING[last];
    const unbalanced = opening !== undefined && kept.split(last).length > kept.split(opening).length;
    if (!unbalanced && !/[.,;:!?*_~…]/.test(last)) return kept;
    kept = kept.slice(0, -1);
  }
}

function openable(address: string): string | null {
  if (!URL.canParse(address)) return null;
  const url = new URL(address);
  const plain = (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '';
  return plain ? url.href : null;
}
