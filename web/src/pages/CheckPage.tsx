import '../styles/doctor.css';
import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { useUi } from '../components/context';
import { ErrorNote } from '../components/Field';
import { CheckIcon, WarningIcon } from '../components/icons';
import { useToken } from '../components/token';
import { words } from '../i18n/check';
import { newCheck, type Way } from '../state/check';
import { EntryFrame } from './entry';

/** The phone's side of the test from outside. */
export function CheckPage(): JSX.Element {
  const { app } = useUi();
  const token = useToken();
  const check = useMemo(() => newCheck(app.client), [app, token]);
  useEffect(() => {
    if (token !== '') void check.run(token);
  }, [check, token]);
  return (
    <EntryFrame title={words.words('check.title')} intro={words.words(token === '' ? 'check.noToken' : 'check.intro')}>
      <ErrorNote message={check.error.value?.message} />
      {check.ways.value.length > 0 && (
        <ul class="findings">
          {check.ways.value.map((way) => (
            <OneWay key={way.transport} way={way} />
          ))}
        </ul>
      )}
      <p role="status">{check.done.value && words.words('check.done')}</p>
    </EntryFrame>
  );
}

const LOOKS = { trying: 'skipped', reached: 'good', missed: 'bad' } as const;

function OneWay({ way: { transport, outcome, reason } }: { way: Way }): JSX.Element {
  return (
    <li class={`finding ${LOOKS[outcome]}`} data-way={transport} data-outcome={outcome}>
      <span class="outcome">
        {outcome === 'reached' && <CheckIcon />}
        {outcome === 'missed' && <WarningIcon />}
        {words.words(`outcome.${outcome}`)}
      </span>
      <p>
        <strong>{words.words(`check.${transport}`)}</strong> <span class="soft">{words.words(`check.${transport}Hint`)}</span>
      </p>
      {reason !== null && <p class="soft">{words.words('check.reason', { reason })}</p>}
    </li>
  );
}
