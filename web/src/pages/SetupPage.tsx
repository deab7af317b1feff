import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useUi } from '../components/context';
import { useForm } from '../components/form';
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

/** Opening the link while this page is shown changes nothing but what stands behind `#`. */
function useToken(): string {
  const [token, setToken] = useState(takeToken);
  useEffect(() => {
    const take = (): void => setToken((before) => takeToken() || before);
    window.addEventListener('hashchange', take);
    return () => window.removeEventListener('hashchange', take);
  }, []);
  return token;
}

/** Reads the secret and takes it out of the address bar and the history, where others could see it. */
function takeToken(): string {
  const token = window.location.hash.slice(1);
  if (token !== '') window.history.replaceState(null, '', window.location.pathname);
  return token;
}
