import type { JSX } from 'preact';
import { useId } from 'preact/hooks';
import { WarningIcon } from './icons';

interface Properties {
  name: string;
  label: string;
  type?: 'text' | 'email' | 'password';
  autocomplete?: string;
  hint?: string | undefined;
  error?: string | undefined;
  value?: string;
  placeholder?: string;
  maxLength?: number;
  spellcheck?: boolean;
  disabled?: boolean;
  onInput?: (value: string) => void;
}

/** A labelled line of text, with what there is to know and what is wrong beneath it. */
export function Field({ label, hint, error, type = 'text', onInput, ...input }: Properties): JSX.Element {
  const id = useId();
  // The types tell every kind of input apart by the roles it may have; for these three there is no difference.
  const kind = type as 'text';
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        class="input"
        type={kind}
        aria-invalid={error !== undefined}
        aria-describedby={`${id}-error ${id}-hint`}
        onInput={(event) => onInput?.(event.currentTarget.value)}
        {...input}
      />
      <FieldError id={`${id}-error`} error={error} />
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

export function FieldError({ id, error }: { id: string; error: string | undefined }): JSX.Element {
  return (
    <p class="field-error" id={id} aria-live="polite">
      {error !== undefined && <WarningIcon />}
      {error !== undefined && <span>{error}</span>}
    </p>
  );
}

/** What went wrong with the whole of something. */
export function ErrorNote({ message }: { message: string | undefined }): JSX.Element {
  return (
    <div role="alert" class="note bad">
      {message !== undefined && <WarningIcon />}
      {message !== undefined && <span>{message}</span>}
    </div>
  );
}
