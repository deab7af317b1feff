import type { JSX } from 'preact';
import { words } from '../i18n/doctor';
import type { DoctorFinding } from '../wire/DoctorFinding';
import { CheckIcon, WarningIcon } from './icons';

/** What was found, each with what mends it. */
export function Findings({ findings }: { findings: readonly DoctorFinding[] }): JSX.Element {
  return (
    <ul class="findings">
      {findings.map((finding) => (
        <li key={finding.check} class={`finding ${finding.outcome}`} data-check={finding.check} data-outcome={finding.outcome}>
          <span class="outcome">
            {finding.outcome === 'good' && <CheckIcon />}
            {(finding.outcome === 'bad' || finding.outcome === 'warning') && <WarningIcon />}
            {words.words(`outcome.${finding.outcome}`)}
          </span>
          <p>{finding.sentence}</p>
          {finding.mend !== null && (
            <div class="mend">
              <span class="soft">{words.words('mend')}</span>
              <code>{finding.mend}</code>
            </div>
          )}
        </li>
      ))}
    </ul>
  );
}
