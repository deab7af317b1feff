import { status } from '../i18n/status';

const BYTE_UNITS = ['unit.bytes', 'unit.kB', 'unit.MB', 'unit.GB', 'unit.TB'] as const;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A number of bytes in the largest unit that it has one of, with two digits at least. */
export function bytes(amount: number): string {
  let value = amount;
  let unit = 0;
  while (value >= 1000 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 10 ? 10 : 1;
  return status.words(BYTE_UNITS[unit] ?? 'unit.bytes', { value: status.number(Math.round(value * digits) / digits) });
}

/** A time in the largest unit that it has two of, or in seconds. */
export function duration(seconds: number): string {
  if (seconds >= 2 * DAY) return status.count('unit.days', Math.floor(seconds / DAY));
  if (seconds >= 2 * HOUR) return status.count('unit.hours', Math.floor(seconds / HOUR));
  if (seconds >= 2 * MINUTE) return status.count('unit.minutes', Math.floor(seconds / MINUTE));
  return status.count('unit.seconds', Math.floor(seconds));
}

/** Rounded so that it never says 100 % where something failed, nor 0 % where something did not. */
export function percent(part: number, whole: number): string {
  const exact = (100 * part) / whole;
  const rounded = part === whole ? 100 : part === 0 ? 0 : Math.min(99, Math.max(1, Math.round(exact)));
  return `${status.number(rounded)} %`;
}
