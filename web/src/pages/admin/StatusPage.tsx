import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { StatusApi } from '../../api/status';
import { AdminFrame } from '../../components/AdminFrame';
import { useOwned, useUi } from '../../components/context';
import { WarningIcon } from '../../components/icons';
import { dateTime, time } from '../../i18n';
import { status as words } from '../../i18n/status';
import { StatusWatch } from '../../state/status';
import type { ServerStatus } from '../../wire/ServerStatus';
import { CertificateSection, LiveSection, LogSection, MachineSection, RelaySection, TotalsSection } from './sections';

/** How this place is doing. Kept up to date for as long as it is looked at. */
export function StatusPage(): JSX.Element {
  return (
    <AdminFrame section="status">
      <Status />
    </AdminFrame>
  );
}

function Status(): JSX.Element {
  const { app } = useUi();
  const watch = useOwned(() => new StatusWatch(new StatusApi(app.client)));
  useEffect(() => {
    const look = (): void => watch.look(document.visibilityState === 'visible');
    look();
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, [watch]);
  const status = watch.status.value;
  const why = watch.error.value?.message;
  return (
    <>
      <div role="alert" class="note warn">
        {why !== undefined && <WarningIcon />}
        {why !== undefined && <span>{status ? words.words('status.stale', { when: time(status.now), why }) : why}</span>}
      </div>
      {!status && why === undefined && (
        <p class="soft" role="status">
          {words.words('status.loading')}
        </p>
      )}
      {status && <Told status={status} />}
    </>
  );
}

function Told({ status }: { status: ServerStatus }): JSX.Element {
  return (
    <>
      <Summary status={status} />
      <div class="admin-grid">
        <LiveSection status={status} />
        <TotalsSection totals={status.totals} />
        <MachineSection status={status} />
        <LogSection log={status.log} />
        <RelaySection relay={status.relay} />
        <CertificateSection certificate={status.certificate} />
      </div>
    </>
  );
}

/** All that an administrator should do something about, or that there is nothing. */
function Summary({ status }: { status: ServerStatus }): JSX.Element {
  const { problem, expiresSoon, notAfter } = status.certificate;
  const messages = status.problems.map(({ message }) => message);
  if (problem !== null) messages.push(problem);
  if (expiresSoon) messages.push(words.words('certificate.soon', { when: dateTime(notAfter) }));
  if (messages.length === 0) return <p class="note good">{words.words('status.well')}</p>;
  return (
    <section class="note bad attention" aria-label={words.words('status.problems')}>
      <WarningIcon />
      <ul>
        {messages.map((message) => (
          <li key={message}>{message}</li>
        ))}
      </ul>
    </section>
  );
}
