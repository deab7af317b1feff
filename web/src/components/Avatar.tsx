import type { JSX } from 'preact';
import { hueOf, initials } from './person';

/** Initials on the colour of a name. The name stands beside it as text. */
export function Avatar({ name }: { name: string }): JSX.Element {
  return (
    <span class="avatar" data-hue={hueOf(name)} aria-hidden="true">
      {initials(name)}
    </span>
  );
}
