import type { Signal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { ErrorNote } from '../../components/Field';
import type { Form } from '../../components/form';
import { setup as words } from '../../i18n/setup';
import type { StepProperties } from './SetupWizard';

const t = words.words;

interface Properties extends StepProperties {
  readonly form: Form;
  readonly submit?: string;
  /** Where skipping is something else than going on with what stands there. */
  readonly skip?: () => void;
  readonly skipLabel?: string;
  readonly children?: ComponentChildren;
}

interface ChoiceProperties<T extends string> {
  readonly name: string;
  readonly value: T;
  readonly chosen: Signal<T>;
  readonly label: string;
  readonly hint: string;
  /** Whether somebody else decided it. */
  readonly fixed?: boolean;
}

/** One of several answers to a question. */
export function Choice<T extends string>({ name, value, chosen, label, hint, fixed = false }: ChoiceProperties<T>): JSX.Element {
  return (
    <label class="choice">
      <input
        type="radio"
        name={name}
        value={value}
        checked={chosen.value === value}
        disabled={fixed}
        onChange={() => {
          chosen.value = value;
        }}
      />
      <span>{label}</span>
      <span class="hint">{hint}</span>
    </label>
  );
}

/** The card of one step: what is asked, and the ways on and back. */
export function StepForm({ setup, hasAccount, form, submit, skip, skipLabel, children }: Properties): JSX.Element {
  const back = setup.back(hasAccount);
  return (
    <form class="card inviting stack" ref={form.ref} onSubmit={form.onSubmit} noValidate>
      {children}
      <ErrorNote message={form.general} />
      <button type="submit" class="button primary large wide" disabled={form.busy.value}>
        {submit ?? t('setup.continue')}
      </button>
      <div class="buttons">
        {back !== null && (
          <button type="button" class="button plain" onClick={() => setup.go(back)}>
            {t('setup.back')}
          </button>
        )}
        {skip && (
          <button type="button" class="button plain" onClick={skip}>
            {skipLabel ?? t('setup.skip')}
          </button>
        )}
      </div>
    </form>
  );
}
