import type { JSX } from 'preact';
import { useUi } from '../components/context';
import { useForm } from '../components/form';
import { useToken } from '../components/token';
import { t } from '../i18n';
import { EmailField, EntryForm, EntryPage, NameField, PasswordField } from './entry';

/** Makes the first account, with the secret that stands behind `#` in the one-time link. */
export function SetupPage(): JSX.Element {
  const { app, router } = useUi();
  const token = useToken();
  const form = useForm(['name', 'email', 'password'], async ({ name, email, password }) => {
    await app.session.setup(token, email.trim(), name.trim(), password);
    router.replace('/');
  });
  const done = app.session.server.value?.needsSetup === false;
  const obstacle = done ? t('setup.done') : token === '' ? t('setup.noToken') : null;
  return (
    <EntryPage title={t('setup.title')} intro={obstacle ?? t('setup.intro')}>
      {obstacle === null && (
        <EntryForm form={form} submit={t('setup.submit')}>
          <NameField form={form} />
          <EmailField form={form} />
          <PasswordField form={form} fresh />
        </EntryForm>
      )}
      {done && (
        <p class="aside">
          <a href="/signin">{t('app.signIn')}</a>
        </p>
      )}
    </EntryPage>
  );
}
