import type { JSX } from 'preact';
import { bytes, duration, percent } from '../../components/amounts';
import { Fact, Facts, Section } from '../../components/Facts';
import { Fingerprint } from '../../components/Fingerprint';
import { dateTime } from '../../i18n';
import { status as words } from '../../i18n/status';
import { meetingPath } from '../../router';
import type { CertificateInfo } from '../../wire/CertificateInfo';
import type { LiveMeeting } from '../../wire/LiveMeeting';
import type { LogStatus } from '../../wire/LogStatus';
import type { RelayStatus } from '../../wire/RelayStatus';
import type { ServerStatus } from '../../wire/ServerStatus';
import type { StatusTotals } from '../../wire/StatusTotals';

const t = words.words;

/** Who is here now. */
export function LiveSection({ status: { meetings, people } }: { status: ServerStatus }): JSX.Element {
  return (
    <Section title={t('live.title')}>
      <p class="figure">
        <span>{words.count('live.meetings', meetings.length)}</span>
        <span>{words.count('live.people', people)}</span>
      </p>
      {meetings.length === 0 ? (
        <p class="soft">{t('live.none')}</p>
      ) : (
        <ul class="live-list">
          {meetings.map((meeting) => (
            <li key={meeting.label}>
              <div>
                <MeetingName meeting={meeting} />
                {meeting.startedAt !== null && <p class="soft small">{t('live.since', { when: dateTime(meeting.startedAt) })}</p>}
              </div>
              <span>{words.count('live.people', meeting.people)}</span>
            </li>
          ))}
        </ul>
      )}
      {meetings.some(({ roomId }) => roomId === null) && <p class="soft small">{t('live.private')}</p>}
    </Section>
  );
}

function MeetingName({ meeting: { label, roomId, title } }: { meeting: LiveMeeting }): JSX.Element {
  if (roomId === null) return <span>{t('live.meeting', { label })}</span>;
  return <a href={meetingPath(roomId)}>{title ?? label}</a>;
}

/** What has been since the start. */
export function TotalsSection({ totals }: { totals: StatusTotals }): JSX.Element {
  const { connected, failed, leftRelayed, leftDirect, averageSeconds } = totals;
  const tried = connected + failed;
  const left = leftRelayed + leftDirect;
  const none = t('totals.none');
  return (
    <Section title={t('totals.title')}>
      <Facts>
        <Fact name={t('totals.meetings')}>{words.number(totals.meetings)}</Fact>
        <Fact name={t('totals.joined')}>{words.number(totals.joined)}</Fact>
        <Fact name={t('totals.average')}>{averageSeconds === null ? none : duration(averageSeconds)}</Fact>
        <Fact name={t('totals.connected')}>
          {tried === 0 ? none : t('totals.connectedOf', { percent: percent(connected, tried), failed: words.number(failed) })}
        </Fact>
        <Fact name={t('totals.relayed')}>
          {left === 0 ? none : t('totals.relayedOf', { relayed: words.number(leftRelayed), all: words.number(left) })}
        </Fact>
      </Facts>
    </Section>
  );
}

/** What the relay does. */
export function RelaySection({ relay }: { relay: RelayStatus | null }): JSX.Element {
  if (!relay) {
    return (
      <Section title={t('relay.title')}>
        <p class="soft">{t('relay.off')}</p>
      </Section>
    );
  }
  const { works, byUdp, byTcp, byTls } = relay;
  const test = works === null ? 'relay.untested' : works ? 'relay.works' : 'relay.broken';
  const traffic = { out: bytes(relay.bytesToPeers), in: bytes(relay.bytesFromPeers) };
  return (
    <Section title={t('relay.title')}>
      <Facts>
        <Fact name={t('relay.test')}>{t(test)}</Fact>
        <Fact name={t('relay.allocations')}>{[byUdp, byTcp, byTls].map((count) => words.number(count)).join(', ')}</Fact>
        <Fact name={t('relay.traffic')}>{t('relay.trafficBoth', traffic)}</Fact>
        <Fact name={t('relay.failures')}>{words.number(relay.authenticationFailures)}</Fact>
      </Facts>
    </Section>
  );
}

/** The certificate that browsers see. */
export function CertificateSection({ certificate }: { certificate: CertificateInfo }): JSX.Element {
  const { source, names, notAfter, renewsAt, fingerprint } = certificate;
  return (
    <Section title={t('certificate.title')}>
      <Facts>
        <Fact name={t('certificate.source')}>{t(`certificate.${source}`)}</Fact>
        <Fact name={t('certificate.names')}>{names.join(', ')}</Fact>
        <Fact name={t('certificate.expires')}>{dateTime(notAfter)}</Fact>
        {renewsAt !== null && <Fact name={t('certificate.renews')}>{dateTime(renewsAt)}</Fact>}
        {source === 'files' && <Fact name={t('certificate.renews')}>{t('certificate.byHand')}</Fact>}
        <Fact name={t('certificate.fingerprint')}>
          <Fingerprint text={fingerprint} />
        </Fact>
      </Facts>
    </Section>
  );
}

/** The program and the machine it runs on. */
export function MachineSection({ status }: { status: ServerStatus }): JSX.Element {
  const { memoryBytes, openFiles, mostFiles, diskFreeBytes, diskTotalBytes, lastBackup } = status.resources;
  const seconds = (Date.parse(status.now) - Date.parse(status.startedAt)) / 1000;
  return (
    <Section title={t('machine.title')}>
      <Facts>
        <Fact name={t('machine.version')}>{status.version}</Fact>
        <Fact name={t('machine.running')}>{duration(Math.max(0, seconds))}</Fact>
        {memoryBytes !== null && <Fact name={t('machine.memory')}>{bytes(memoryBytes)}</Fact>}
        {openFiles !== null && mostFiles !== null && (
          <Fact name={t('machine.files')}>{t('machine.of', { part: words.number(openFiles), whole: words.number(mostFiles) })}</Fact>
        )}
        {diskFreeBytes !== null && diskTotalBytes !== null && (
          <Fact name={t('machine.disk')}>{t('machine.of', { part: bytes(diskFreeBytes), whole: bytes(diskTotalBytes) })}</Fact>
        )}
        <Fact name={t('machine.backup')}>{lastBackup === null ? t('machine.noBackup') : dateTime(lastBackup)}</Fact>
        {status.log.panics > 0 && <Fact name={t('machine.panics')}>{words.number(status.log.panics)}</Fact>}
      </Facts>
    </Section>
  );
}

/** The last warnings and errors. */
export function LogSection({ log: { recent, dropped, leftOut } }: { log: LogStatus }): JSX.Element {
  const missing = dropped + leftOut;
  return (
    <Section title={t('log.title')}>
      {missing > 0 && <p class="soft small">{words.count('log.missing', missing)}</p>}
      {recent.length === 0 ? (
        <p class="soft">{t('log.none')}</p>
      ) : (
        <ul class="remarks">
          {recent.map(({ at, isError, text, times }) => (
            <li key={text} data-error={isError}>
              <span class="soft small">
                {t(isError ? 'log.error' : 'log.warning')} · {dateTime(at)}
                {times > 1 && ` · ${words.count('log.times', times)}`}
              </span>
              <span>{text}</span>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
