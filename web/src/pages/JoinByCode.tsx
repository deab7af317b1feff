import type { JSX } from 'preact';
import { useUi } from '../components/context';
import { Field } from '../components/Field';
import { useForm } from '../components/form';
import { TitledForm } from '../components/TitledForm';
import { t } from '../i18n';
import { meetingPath, parseMeetingCode } from '../router';

/** To a meeting by what one was given: its code, or a link with the code in it. */
export function JoinByCode(): JSX.Element {
  const { router } = useUi();
  const form = useForm(
    ['code'],
    async ({ code }) => {
      const parsed = parseMeetingCode(code);
      if (parsed !== null) router.go(meetingPath(parsed));
    },
    ({ code }) => (parseMeetingCode(code) === null ? { field: 'code', message: t('home.badCode') } : null),
  );
  return (
    <section class="card">
      <TitledForm title={t('home.joinTitle')} form={form}>
        <Field
          name="code"
          label={t('home.code')}
          placeholder={t('home.codePlaceholder')}
          autocomplete="off"
          spellcheck={false}
          error={form.errorOf('code')}
        />
        <button type="submit" class="button">
          {t('home.join')}
        </button>
      </TitledForm>
    </section>
  );
}
