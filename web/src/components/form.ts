import { type ReadonlySignal, useSignal } from '@preact/signals';
import { useCallback, useRef } from 'preact/hooks';
import { t } from '../i18n';
import { type Problem, problemOf } from './errors';

export interface Form {
  readonly ref: { current: HTMLFormElement | null };
  readonly busy: ReadonlySignal<boolean>;
  /** The message for a field, or undefined. */
  errorOf(field: string): string | undefined;
  /** The message that belongs to no field of this form. */
  readonly general: string | undefined;
  onSubmit(event: SubmitEvent): void;
}

/** A form whose fields are read when it is sent. Failures stand next to the field that they name, which takes the focus. */
export function useForm<Field extends string>(
  fields: readonly Field[],
  send: (values: Readonly<Record<Field, string>>) => Promise<void>,
  check?: (values: Readonly<Record<Field, string>>) => Problem | null,
): Form {
  const ref = useRef<HTMLFormElement>(null);
  const busy = useSignal(false);
  const problem = useSignal<Problem | null>(null);

  const show = useCallback((shown: Problem): void => {
    problem.value = shown;
    const field = shown.field === undefined ? null : ref.current?.elements.namedItem(shown.field);
    if (field instanceof HTMLElement) field.focus();
  }, []);

  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (!ref.current || busy.peek()) return;
    const values = valuesOf(ref.current, fields);
    const missing = fields.find((field) => values[field].trim() === '');
    const wrong = missing === undefined ? check?.(values) : { field: missing, message: t('field.missing') };
    if (wrong) {
      show(wrong);
      return;
    }
    busy.value = true;
    problem.value = null;
    send(values)
      .catch((error: unknown) => show(problemOf(error, t('app.unexpected'))))
      .finally(() => {
        busy.value = false;
      });
  };

  const shown = problem.value;
  const known = shown?.field !== undefined && (fields as readonly string[]).includes(shown.field);
  return {
    ref,
    busy,
    onSubmit,
    errorOf: (field) => (known && shown.field === field ? shown.message : undefined),
    general: known ? undefined : shown?.message,
  };
}

function valuesOf<Field extends string>(form: HTMLFormElement, fields: readonly Field[]): Record<Field, string> {
  const data = new FormData(form);
  const text = (field: Field): string => {
    const value = data.get(field);
    return typeof value === 'string' ? value : '';
  };
  return Object.fromEntries(fields.map((field) => [field, text(field)])) as Record<Field, string>;
}
