import { en } from './en';

/** The words of one part of the page, by their keys. */
type Words = Readonly<Record<string, string>>;

/** The names between braces in a text. */
type Values<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | Values<Rest> : never;
type Arguments<Text extends string> = [Values<Text>] extends [never]
  ? []
  : [values: Readonly<Record<Values<Text>, string | number>>];

/** Keys that exist as `.one` and `.other`. */
type CountKey<W extends Words> = keyof W & string extends infer K ? (K extends `${infer Stem}.other` ? Stem : never) : never;

export type Key = keyof typeof en;

export interface Translator<W extends Words> {
  readonly language: string;
  /** The words for a key, with its values filled in. The values are text, never markup. */
  words<K extends keyof W & string>(key: K, ...values: Arguments<W[K]>): string;
  /** The words for a number of something. */
  count(key: CountKey<W>, count: number): string;
  /** A day and time as people write it here. */
  dateTime(iso: string): string;
  /** The time of day. */
  time(iso: string): string;
  /** A number as people write it here. */
  number(value: number): string;
}

/** Fills `{name}` in a text. */
export function fill(text: string, values: Readonly<Record<string, string | number>> = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

export function translator<W extends Words>(language: string, catalogue: W): Translator<W> {
  const all: Words = catalogue;
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
    words: (key, ...values) => fill(all[key] ?? '', values[0]),
    count(key, count) {
      const form = plural.select(count) === 'one' ? 'one' : 'other';
      return fill(all[`${key}.${form}`] ?? '', { count: numbers.format(count) });
    },
    dateTime: (iso) => format(dateTime, iso),
    time: (iso) => format(time, iso),
    number: (value) => numbers.format(value),
  };
}

/** The regional variant of English that the reader prefers, so that dates look familiar. */
function preferredEnglish(): string {
  return globalThis.navigator?.languages?.find((language) => /^en\b/i.test(language)) ?? 'en-GB';
}

/** The words of a part of the page that is loaded by itself, and so brings its own. */
export function vocabulary<W extends Words>(words: W): Translator<W> {
  return translator(preferredEnglish(), words);
}

const translation = vocabulary(en);

export const t = translation.words;
export const count = translation.count;
export const dateTime = translation.dateTime;
export const time = translation.time;
