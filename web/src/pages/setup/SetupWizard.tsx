import '../../styles/settings.css';
import type { ComponentChildren, ComponentType, JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { SettingsApi } from '../../api/settings';
import { StatusApi } from '../../api/status';
import { useOwned, useUi } from '../../components/context';
import { t as common } from '../../i18n';
import { setup as words } from '../../i18n/setup';
import { Setup, STEPS, type Step } from '../../state/setup';
import { EntryFrame } from '../entry';
import { AccountStep, CertificateStep, PlaceStep } from './firstSteps';
import { MeetingStep, PeopleStep, RelayStep } from './lastSteps';

const t = words.words;

/** What each step is given. */
export interface StepProperties {
  readonly setup: Setup;
  readonly hasAccount: boolean;
}

const PAGES: Readonly<Record<Step, ComponentType<StepProperties>>> = {
  place: PlaceStep,
  certificate: CertificateStep,
  account: AccountStep,
  people: PeopleStep,
  relay: RelayStep,
  meeting: MeetingStep,
};

/** Leads from the one-time link, whose secret stands behind `#`, to a first meeting. */
export function SetupWizard(): JSX.Element {
  const { app } = useUi();
  const setup = useOwned(() => new Setup(new SettingsApi(app.client), new StatusApi(app.client), app.tab));
  useToken(setup);
  const user = app.session.user.value;
  const server = app.session.server.value;
  const { step, token } = setup.progress.value;
  const isDone = server?.needsSetup === false;
  const mayGoOn = isDone ? user?.role === 'admin' && setup.begun : token !== '';
  useEffect(() => {
    if (isDone && mayGoOn) void setup.learn();
  }, [setup, isDone, mayGoOn]);
  if (server === null || user === undefined) return <Frame step={null} intro={common('app.loading')} />;
  if (!mayGoOn) {
    return (
      <Frame step={null} intro={t(isDone ? 'setup.done' : 'setup.noToken')}>
        {isDone && (
          <p class="aside">
            <a href={user ? '/' : '/signin'}>{common(user ? 'left.home' : 'app.signIn')}</a>
          </p>
        )}
      </Frame>
    );
  }
  // Before there is an account, the steps that need one can't be shown, whatever an earlier visit left behind.
  const shown = !isDone && STEPS.indexOf(step) > STEPS.indexOf('account') ? 'account' : isDone && step === 'account' ? 'people' : step;
  const Page = PAGES[shown];
  return (
    <Frame key={shown} step={shown} intro={t(`${shown}.intro`)}>
      <Page setup={setup} hasAccount={isDone} />
    </Frame>
  );
}

function Frame({ step, intro, children }: { step: Step | null; intro: string; children?: ComponentChildren }): JSX.Element {
  const title = step === null ? t('setup.title') : t(`step.${step}`);
  return (
    <EntryFrame title={title} intro={intro} kind="setup" focus={step !== null} above={step !== null && <Progress step={step} />}>
      {children}
    </EntryFrame>
  );
}

function Progress({ step }: { step: Step }): JSX.Element {
  return <p class="soft small">{t('setup.step', { number: STEPS.indexOf(step) + 1, all: STEPS.length })}</p>;
}

/** Reads the secret and takes it out of the address bar and the history, where others could see it. */
function useToken(setup: Setup): void {
  useEffect(() => {
    const take = (): void => {
      const token = window.location.hash.slice(1);
      if (token === '') return;
      window.history.replaceState(null, '', window.location.pathname);
      setup.open(token);
    };
    take();
    window.addEventListener('hashchange', take);
    return () => window.removeEventListener('hashchange', take);
  }, [setup]);
}
