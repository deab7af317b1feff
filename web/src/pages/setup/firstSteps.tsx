import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useUi } from '../../components/context';
import { Field } from '../../components/Field';
import { FixedNote } from '../../components/FixedNote';
import { useForm } from '../../components/form';
import { WarningIcon } from '../../components/icons';
import { told } from '../../i18n/settings';
import { setup as words } from '../../i18n/setup';
import { hostOf, isPublicName, type Vouching } from '../../state/setup';
import { EmailField, NameField, PasswordField } from '../entry';
import type { StepProperties } from './SetupWizard';
import { Choice, StepForm } from './StepForm';

const t = words.words;

/** The host, when it is one that others can type as well. */
function reachedBy(): string {
  const { hostname, origin } = window.location;
  return /^(localhost|127\.|\[::1\])/.test(hostname) ? '' : origin;
}

/** What the place is called and how it is reached. */
export function PlaceStep({ setup, hasAccount }: StepProperties): JSX.Element {
  const { app } = useUi();
  const decided = setup.progress.peek();
  const name = useSignal(decided.name || (app.session.server.peek()?.name ?? ''));
  // What was emptied once is not suggested again.
  const address = useSignal(decided.address || (decided.name === '' ? reachedBy() : ''));
  const [nameBy, addressBy] = [setup.decidedBy('server.name'), setup.decidedBy('server.public_url')];
  const problems = setup.problems.value;
  const next = setup.next(hasAccount);
  const misspelt = useSignal(false);
  const form = useForm([], async () => {
    const wanted = address.value.trim().replace(/\/$/, '');
    misspelt.value = addressBy === null && wanted !== '' && !/^https:\/\/[^/?#@\s]+$/i.test(wanted);
    if (misspelt.value) return;
    setup.decide({ name: name.value.trim(), ...(addressBy === null && { address: wanted }) });
    if (hasAccount && !(await setup.apply())) return;
    setup.go(next);
  });
  return (
    <StepForm setup={setup} hasAccount={hasAccount} form={form} skip={() => setup.go(next)}>
      <Field
        name="place"
        label={t('place.name')}
        hint={t('place.nameHint')}
        value={nameBy === null ? name.value : String(setup.held('server.name') ?? '')}
        disabled={nameBy !== null}
        maxLength={60}
        autocomplete="organization"
        error={problems.get('server.name')}
        onInput={(text) => {
          name.value = text;
        }}
      />
      <FixedNote origin={nameBy} />
      <Field
        name="address"
        label={t('place.address')}
        hint={t('place.addressHint')}
        value={addressBy === null ? address.value : setup.address}
        disabled={addressBy !== null}
        placeholder="https://meet.example.org"
        autocomplete="url"
        spellcheck={false}
        error={misspelt.value ? t('place.notHttps') : problems.get('server.public_url')}
        onInput={(text) => {
          address.value = text;
        }}
      />
      <FixedNote origin={addressBy} />
    </StepForm>
  );
}

/** Who vouches for the server, and what that asks of people. */
export function CertificateStep({ setup, hasAccount }: StepProperties): JSX.Element {
  const { app } = useUi();
  const { vouching } = setup.progress.value;
  const { address } = setup;
  const decidedBy = setup.decidedBy('tls.mode');
  const ownAuthority = app.session.server.value?.ownAuthority ?? true;
  const chosen = useSignal<Vouching>(vouching ?? (isPublicName(address) ? 'acme' : 'local'));
  const problem = setup.problems.value.get('tls.mode');
  const next = setup.next(hasAccount);
  // What somebody else vouches for already, by files for example, needs no choice.
  const mayChoose = decidedBy === null && address !== '' && (ownAuthority || vouching !== null);
  const form = useForm([], async () => {
    if (mayChoose) setup.decide({ vouching: chosen.value });
    if (hasAccount && !(await setup.apply())) return;
    setup.go(next);
  });
  return (
    <StepForm setup={setup} hasAccount={hasAccount} form={form}>
      {mayChoose && (
        <div class="stack" role="radiogroup" aria-label={t('step.certificate')}>
          <Choice name="vouching" value="acme" chosen={chosen} label={t('certificate.acme')} hint={t('certificate.acmeHint', { host: hostOf(address) })} />
          <Choice name="vouching" value="local" chosen={chosen} label={t('certificate.local')} hint={t('certificate.localHint')} />
        </div>
      )}
      {problem !== undefined && (
        <p class="note warn" role="alert">
          <WarningIcon />
          <span>{problem}</span>
        </p>
      )}
      {decidedBy !== null && <p>{told('tls.mode', setup.held('tls.mode'))}</p>}
      <FixedNote origin={decidedBy} />
      {decidedBy === null && !mayChoose && <p>{t(ownAuthority ? 'certificate.unnamed' : 'certificate.vouched')}</p>}
      {ownAuthority && (!mayChoose || chosen.value === 'local') && (
        <p>
          <a href="/trust" target="_blank" rel="noopener">
            {t('certificate.trust')}
          </a>
        </p>
      )}
    </StepForm>
  );
}

/** The administrator's account, which uses the link up. */
export function AccountStep({ setup, hasAccount }: StepProperties): JSX.Element {
  const { app } = useUi();
  const form = useForm(['name', 'email', 'password'], async ({ name, email, password }) => {
    await app.session.setup(setup.progress.value.token, email.trim(), name.trim(), password);
    setup.usedUp();
    setup.go('people');
    await setup.apply();
    await app.session.start();
  });
  return (
    <StepForm setup={setup} hasAccount={hasAccount} form={form} submit={t('account.submit')}>
      <NameField form={form} />
      <EmailField form={form} />
      <PasswordField form={form} fresh />
    </StepForm>
  );
}
