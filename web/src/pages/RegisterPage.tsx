import type { JSX } from 'preact';
import { usePlace, useUi } from '../components/context';
import { useForm } from '../components/form';
import { t } from '../i18n';
import { EmailField, EntryForm, EntryPage, NameField, PasswordField, useGoOn } from './entry';
import { withNext } from './SignInPage';

export function RegisterPage({ next }: { next: string | null }): JSX.Element {
  const { app } = useUi();
  const place = usePlace();
  useGoOn(next);
  const form = useForm(['name', 'email', 'password'], ({ name, email, password }) =>
    app.session.register(email.trim(), name.trim(), password),
  );
  const closed = app.session.server.value?.registration === 'closed';
  return (
    <EntryPage title={t('register.title')} intro={closed ? t('register.closed') : t('register.intro', { place })}>
      {!closed && (
        <EntryForm form={form} submit={t('register.submit')}>
          <NameField form={form} />
          <EmailField form={form} />
          <PasswordField form={form} fresh />
        </EntryForm>
      )}
      <p class="aside soft">
        {t('register.toSignIn')} <a href={withNext('/signin', next)}>{t('app.signIn')}</a>
      </p>
    </EntryPage>
  );
}
