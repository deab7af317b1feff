import type { ComponentChildren, JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { usePageHeading, useUi } from '../components/context';
import { ErrorNote, Field } from '../components/Field';
import type { Form } from '../components/form';
import { Header } from '../components/Header';
import { Mark } from '../components/icons';
import { TrustLink } from '../components/TrustLink';
import { t } from '../i18n';

interface FrameProperties {
  readonly title: string;
  readonly intro: string;
  /** What stands above the title, such as how far one has come. */
  readonly above?: ComponentChildren;
  /** Whether the title takes the focus when the page comes up. */
  readonly focus?: boolean;
  /** A class of its own, for its style sheet. */
  readonly kind?: string;
  readonly children?: ComponentChildren;
}

/** The frame of pages that people come to from outside, to do one thing. */
export function EntryFrame({ title, intro, above, focus, kind = '', children }: FrameProperties): JSX.Element {
  const heading = usePageHeading(title, focus);
  return (
    <div class="page">
      <Header bare />
      <main class={`content narrow entry ${kind}`}>
        <div class="intro">
          <Mark />
          {above}
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          <p class="soft">{intro}</p>
        </div>
        {children}
      </main>
    </div>
  );
}

/** The pages that let people in: sign in, register. */
export function EntryPage({ title, intro, children }: { title: string; intro: string; children: ComponentChildren }): JSX.Element {
  return (
    <EntryFrame title={title} intro={intro}>
      {children}
      <TrustLink />
    </EntryFrame>
  );
}

export function EntryForm({ form, submit, children }: { form: Form; submit: string; children: ComponentChildren }): JSX.Element {
  return (
    <form class="card inviting stack" ref={form.ref} onSubmit={form.onSubmit} noValidate>
      {children}
      <ErrorNote message={form.general} />
      <button type="submit" class="button primary large wide" disabled={form.busy.value}>
        {submit}
      </button>
    </form>
  );
}

/** Where people who are signed in go on to, whether they came signed in or have just done so. */
export function useGoOn(next: string | null): void {
  const { app, router } = useUi();
  const user = app.session.user.value;
  useEffect(() => {
    if (user) router.replace(next ?? '/');
  }, [user, next, router]);
}

export function EmailField({ form }: { form: Form }): JSX.Element {
  return <Field name="email" type="email" label={t('field.email')} autocomplete="username" spellcheck={false} error={form.errorOf('email')} />;
}

export function NameField({ form }: { form: Form }): JSX.Element {
  return <Field name="name" label={t('field.name')} hint={t('field.nameHint')} autocomplete="name" maxLength={60} error={form.errorOf('name')} />;
}

export function PasswordField({ form, fresh }: { form: Form; fresh: boolean }): JSX.Element {
  return (
    <Field
      name="password"
      type="password"
      label={t('field.password')}
      hint={fresh ? t('field.newPasswordHint') : undefined}
      autocomplete={fresh ? 'new-password' : 'current-password'}
      error={form.errorOf('password')}
    />
  );
}
