import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { ApiError } from '../../api/error';
import { useUi } from '../../components/context';
import { useForm } from '../../components/form';
import { FixedNote } from '../../components/FixedNote';
import { WarningIcon } from '../../components/icons';
import { told } from '../../i18n/settings';
import { setup as words } from '../../i18n/setup';
import { meetingPath } from '../../router';
import { hostOf, type Setup } from '../../state/setup';
import type { Registration } from '../../wire/Registration';
import type { StepProperties } from './SetupWizard';
import { Choice, StepForm } from './StepForm';

const t = words.words;

/** Who may make an account. */
export function PeopleStep({ setup, hasAccount }: StepProperties): JSX.Element {
  const { app } = useUi();
  const decidedBy = setup.decidedBy('accounts.registration');
  const chosen = useSignal<Registration>(setup.progress.value.registration ?? app.session.server.value?.registration ?? 'open');
  const form = useForm([], async () => {
    if (decidedBy === null) setup.decide({ registration: chosen.value });
    if (!(await setup.apply())) return;
    await app.session.start();
    setup.go('relay');
  });
  return (
    <StepForm setup={setup} hasAccount={hasAccount} form={form} skip={() => setup.go('relay')}>
      <div class="stack" role="radiogroup" aria-label={t('step.people')}>
        <Choice name="registration" value="open" chosen={chosen} label={t('people.open')} hint={t('people.openHint')} fixed={decidedBy !== null} />
        <Choice name="registration" value="closed" chosen={chosen} label={t('people.closed')} hint={t('people.closedHint')} fixed={decidedBy !== null} />
      </div>
      <FixedNote origin={decidedBy} />
    </StepForm>
  );
}

/** Whether the relay works, in words. */
export function RelayStep({ setup, hasAccount }: StepProperties): JSX.Element {
  useEffect(() => void setup.testRelay(), [setup]);
  const form = useForm([], async () => setup.go('meeting'));
  const found = setup.relay.value;
  const works = found !== null && !(found instanceof ApiError) && found.works;
  return (
    <StepForm setup={setup} hasAccount={hasAccount} form={form}>
      <div role="status" class="stack tight">
        {found === null && <p class="soft">{t('relay.testing')}</p>}
        {works && <p class="note good">{sentence(found.finding)}</p>}
        {found !== null && !works && (
          <p class="note warn">
            <WarningIcon />
            <span>{t('relay.broken')}</span>
          </p>
        )}
        {found !== null && !works && <p class="small">{found instanceof ApiError ? found.message : sentence(found.finding)}</p>}
      </div>
      <p class="soft small">{t('relay.outside')}</p>
      <button type="button" class="button" disabled={found === null} onClick={() => void setup.testRelay()}>
        {t('relay.again')}
      </button>
    </StepForm>
  );
}

/** The log's way of writing, as a sentence. */
function sentence(finding: string): string {
  return `${finding.charAt(0).toUpperCase()}${finding.slice(1)}${finding.endsWith('.') ? '' : '.'}`;
}

/** The end of setting up, and the begin of everything else. */
export function MeetingStep({ setup, hasAccount }: StepProperties): JSX.Element {
  const { app, router } = useUi();
  const form = useForm([], async () => {
    const meetings = app.newMeetings();
    const { roomId } = await meetings.create({ title: t('meeting.title') });
    setup.finish();
    router.replace(meetingPath(roomId));
  });
  const later = (): void => {
    setup.finish();
    router.replace('/');
  };
  return (
    <StepForm setup={setup} hasAccount={hasAccount} form={form} submit={t('meeting.start')} skip={later} skipLabel={t('meeting.later')}>
      <Overruled setup={setup} />
      <CertificateProgress setup={setup} />
    </StepForm>
  );
}

/** What the settings are called in the steps that ask for them. */
const NAMES: Readonly<Record<string, string>> = {
  'server.name': t('place.name'),
  'server.public_url': t('place.address'),
  'tls.mode': t('step.certificate'),
  'accounts.registration': t('step.people'),
};

/** What was decided in an earlier step, and does not hold. */
function Overruled({ setup }: { setup: Setup }): JSX.Element | null {
  const { overruled } = setup;
  if (overruled.length === 0) return null;
  return (
    <div class="stack tight">
      <p>{t('meeting.overruled')}</p>
      {overruled.map(({ key, value, origin }) => (
        <div key={key}>
          <p>
            {NAMES[key] ?? key}: {told(key, value)}
          </p>
          <FixedNote origin={origin} />
        </div>
      ))}
    </div>
  );
}

/** Whether the authority has given the certificate, or what is in the way of it; nothing where none is asked. */
function CertificateProgress({ setup }: { setup: Setup }): JSX.Element | null {
  useEffect(() => {
    void setup.followCertificate();
    return () => setup.stopFollowing();
  }, [setup]);
  const address = setup.awaited;
  if (address === null) return null;
  const host = hostOf(address);
  const shown = setup.certificate.value;
  if (setup.isVouchedFor) {
    return (
      <p class="note good" role="status">
        <span>
          {t('meeting.vouched', { host })} <a href={address}>{address}</a>
        </span>
      </p>
    );
  }
  return (
    <div role="status" class="stack tight">
      <p class="soft">{t('meeting.awaited', { host })}</p>
      {shown?.problem != null && <p class="small">{shown.problem}</p>}
    </div>
  );
}
