import { en } from './en';

export type Key = keyof typeof en;

/** The words of one language. */
export type Catalogue = Readonly<Record<Key, string>>;

/** The names between braces in a text. */
type Values<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | Values<Rest> : never;
type Arguments<K extends Key> = [Values<(typeof en)[K]>] extends [never]
  ? []
  : [values: Readonly<Record<Values<(typeof en)[K]>, string | number>>];

/** Keys that exist as `.one` and `.other`. */
export type CountKey = Key extends infer K ? (K extends `${infer Stem}.other` ? Stem : never) : never;

export interface Translator {
  readonly language: string;
  /** The words for a key, with its values filled in. The values are text, never markup. */
  words<K extends Key>(key: K, ...values: Arguments<K>): string;
  /** The words for a number of something. */
  count(key: CountKey, count: number): string;
  /** A day and time as people write it here. */
  dateTime(iso: string): string;
  /** The time of day. */
  time(iso: string): string;
}

/** Fills `{name}` in a text. */
export function fill(text: string, values: Readonly<Record<string, string | number>> = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

export function translator(language: string, catalogue: Catalogue): Translator {
  const plural = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  const dateTime = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' });
  const time = new Intl.DateTimeFormat(language, { timeStyle: 'short' });
  const format = (how: Intl.DateTimeFormat, iso: string): string => {
    const when = new Date(iso);
    return Number.isNaN(when.getTime()) ? '' : how.format(when);
  };
  return {
    language,
    words: (key, ...values) => fill(catalogue[key], values[0]),
    count(key, count) {
      const form = plural.select(count) === 'one' ? 'one' : 'other';
      return fill(catalogue[`${key}.${form}` as Key], { count: numbers.format(count) });
    },
    dateTime: (iso) => format(dateTime, iso),
    time: (iso) => format(time, iso),
  };
}

/** The regional variant of English that the reader prefers, so that dates look familiar. */
function preferredEnglish(): string {
  return globalThis.navigator?.languages?.find((language) => /^en\b/i.test(language)) ?? 'en-GB';
}

const translation = translator(preferredEnglish(), en);

export const t = translation.words;
export const count = translation.count;
export const dateTime = translation.dateTime;
export const time = translation.time;
