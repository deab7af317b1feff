import type { ComponentChildren, JSX } from 'preact';
import type { Form } from './form';

/** A form with its title, as part of a page that has others. */
export function TitledForm({ title, form, children }: { title: string; form: Form; children: ComponentChildren }): JSX.Element {
  return (
    <form class="stack" ref={form.ref} onSubmit={form.onSubmit} noValidate>
      <h2>{title}</h2>
      {children}
    </form>
  );
}
