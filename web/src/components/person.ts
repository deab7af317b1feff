/** How many colours there are for people; as many as `--person-…` in the design tokens. */
const HUES = 8;

/** The same name has the same colour, for everybody and every time (FNV-1a). */
export function hueOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const character of name.trim().toLowerCase()) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  return ((hash ^ (hash >>> 15)) >>> 0) % HUES;
}

/** One or two letters that stand for a name. */
export function initials(name: string): string {
  const words = name.split(/[\s._-]+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const first = letter(words[0]);
  const last = words.length > 1 ? letter(words.at(-1)) : '';
  return (first + last).toLocaleUpperCase() || '?';
}

function letter(word: string | undefined): string {
  return word?.match(/[\p{L}\p{N}]\p{M}*/u)?.[0] ?? '';
}
