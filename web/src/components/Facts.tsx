import type { ComponentChildren, JSX } from 'preact';

/** A part of an admin page. */
export function Section({ title, children }: { title: string; children: ComponentChildren }): JSX.Element {
  return (
    <section class="card stack tight" aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** Names and what they stand for, one a line. */
export function Facts({ children }: { children: ComponentChildren }): JSX.Element {
  return <dl class="facts-list">{children}</dl>;
}

/** One of them. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
