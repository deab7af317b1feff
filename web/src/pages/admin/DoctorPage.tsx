import '../../styles/doctor.css';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { AdminFrame } from '../../components/AdminFrame';
import { CopyLink } from '../../components/CopyLink';
import { useOwned, useUi } from '../../components/context';
import { ErrorNote } from '../../components/Field';
import { Findings } from '../../components/Findings';
import { words } from '../../i18n/doctor';
import { newVisit } from '../../state/doctor';
import type { DoctorState } from '../../wire/DoctorState';
import type { OutsideLink } from '../../wire/OutsideLink';
import type { OutsideTest } from '../../wire/OutsideTest';
import type { QrCode } from '../../wire/QrCode';

/** What is wrong with the place where this server stands, and what mends it. */
export function DoctorPage(): JSX.Element {
  return (
    <AdminFrame section="doctor">
      <Visit />
    </AdminFrame>
  );
}

function Visit(): JSX.Element {
  const { app } = useUi();
  const visit = useOwned(() => newVisit(app.client));
  useEffect(() => void visit.start(), [visit]);
  const state = visit.state.value;
  return (
    <>
      <ErrorNote message={visit.error.value?.message} />
      <FromHere state={state} onLook={() => void visit.lookAgain()} />
      <FromOutside test={state?.outside ?? null} link={visit.link.value} onPrepare={() => void visit.prepare()} />
    </>
  );
}

function FromHere({ state, onLook }: { state: DoctorState | null; onLook: () => void }): JSX.Element {
  const findings = state?.findings ?? [];
  const wrong = findings.filter(({ outcome }) => outcome === 'bad').concat(findings.filter(({ outcome }) => outcome === 'warning'));
  const rest = findings.filter((finding) => !wrong.includes(finding));
  const running = state === null || state.running;
  return (
    <section class="card stack" aria-labelledby="from-here">
      <h2 id="from-here">{words.words('here.title')}</h2>
      <p class="soft">{words.words('here.intro')}</p>
      <div class="buttons">
        <button type="button" class="button" disabled={running} onClick={onLook}>
          {words.words('here.again')}
        </button>
        <span class="soft" role="status">
          {running ? words.words('here.running') : state.examinedAt !== null && words.words('here.examined', { when: words.dateTime(state.examinedAt) })}
        </span>
      </div>
      {wrong.length > 0 && <Findings findings={wrong} />}
      {findings.length > 0 && wrong.length === 0 && <p class="note good">{words.words('here.nothing')}</p>}
      {rest.length > 0 && (
        <details>
          <summary>{words.count('rest', rest.length)}</summary>
          <Findings findings={rest} />
        </details>
      )}
    </section>
  );
}

function FromOutside({ test, link, onPrepare }: { test: OutsideTest | null; link: OutsideLink | null; onPrepare: () => void }): JSX.Element {
  const open = link !== null && test?.done === false;
  return (
    <section class="card stack" aria-labelledby="from-outside">
      <h2 id="from-outside">{words.words('outside.title')}</h2>
      <p class="soft">{words.words('outside.intro')}</p>
      {isForThisMachineAlone(window.location.hostname) && <p class="note warn">{words.words('outside.here')}</p>}
      {open && <Link link={link} />}
      {test && (open || test.findings.length > 0) && (
        <p class="soft" role="status">
          {words.words(test.done ? 'outside.done' : test.opened ? 'outside.trying' : 'outside.waiting')}
        </p>
      )}
      {test && test.findings.length > 0 && <Findings findings={test.findings} />}
      <div class="buttons">
        <button type="button" class="button" onClick={onPrepare}>
          {words.words(link === null ? 'outside.make' : 'outside.remake')}
        </button>
      </div>
    </section>
  );
}

function Link({ link: { link, qr, expiresAt } }: { link: OutsideLink }): JSX.Element {
  return (
    <div class="outside-link">
      <Drawing qr={qr} />
      <div class="stack tight">
        <p>{words.words('outside.scan', { when: words.time(expiresAt) })}</p>
        <code class="address">{link}</code>
        <div class="buttons">
          <CopyLink link={link} />
        </div>
      </div>
    </div>
  );
}

/** Always dark on light, whatever the theme: cameras expect it. */
function Drawing({ qr: { size, path } }: { qr: QrCode }): JSX.Element {
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={words.words('outside.qr')} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}

function isForThisMachineAlone(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host.startsWith('127.') || host === '[::1]';
}
