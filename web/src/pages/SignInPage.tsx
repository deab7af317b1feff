import type { JSX } from 'preact';
import { usePlace, useUi } from '../components/context';
import { useForm } from '../components/form';
import { t } from '../i18n';
import { EmailField, EntryForm, EntryPage, PasswordField, useGoOn } from './entry';

export function SignInPage({ next }: { next: string | null }): JSX.Element {
  const { app } = useUi();
  const place = usePlace();
  useGoOn(next);
  const form = useForm(['email', 'password'], ({ email, password }) => app.session.signIn(email.trim(), password));
  const registration = app.session.server.value?.registration;
  return (
    <EntryPage title={t('signIn.title')} intro={t('signIn.intro', { place })}>
      <EntryForm form={form} submit={t('signIn.submit')}>
        <EmailField form={form} />
        <PasswordField form={form} fresh={false} />
      </EntryForm>
      {registration === 'open' && (
        <p class="aside soft">
          {t('signIn.toRegister')} <a href={withNext('/register', next)}>{t('signIn.registerLink')}</a>
        </p>
      )}
      {registration === 'closed' && <p class="aside soft">{t('signIn.closed')}</p>}
    </EntryPage>
  );
}

/** Keeps in mind where people wanted to go. */
export function withNext(path: string, next: string | null): string {
  return next === null ? path : `${path}?next=${encodeURIComponent(next)}`;
}
