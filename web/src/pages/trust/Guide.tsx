import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { type System, SYSTEMS, systemOf } from '../../components/system';
import { t } from '../../i18n';
import type { TrustAuthority } from '../../wire/TrustAuthority';
import { GUIDES, type Steps } from './steps';

/** What to download and what to do with it, on the device that one chooses. */
export function Guide({ authority }: { authority: TrustAuthority }): JSX.Element {
  const system = useSignal<System>(systemOf(navigator.userAgent, navigator.maxTouchPoints));
  const guide = GUIDES[system.value];
  return (
    <section class="card stack">
      <fieldset class="systems">
        <legend class="legend">{t('trust.system')}</legend>
        {SYSTEMS.map((each) => (
          <label key={each} class="system">
            <input type="radio" name="system" checked={each === system.value} onChange={() => (system.value = each)} />
            <span>{t(`trust.${each}`)}</span>
          </label>
        ))}
      </fieldset>
      <div class="buttons">
        {guide.profile ? (
          <a class="button primary large" href="/api/trust/hearth.mobileconfig" download>
            {t('trust.profile')}
          </a>
        ) : (
          <a class="button primary large" href="/api/trust/ca.crt" download>
            {t('trust.certificate')}
          </a>
        )}
      </div>
      <div class="stack" role="region" aria-live="polite" aria-label={t('trust.stepsFor', { system: t(`trust.${system.value}`) })}>
        {guide.parts.map((part) => (
          <Part key={part.steps[0]} part={part} authority={authority} />
        ))}
      </div>
    </section>
  );
}

function Part({ part, authority }: { part: Steps; authority: TrustAuthority }): JSX.Element {
  const words = part.steps.map((key) => t(key, { name: authority.name }));
  return (
    <div class="stack tight">
      {part.title && <h3>{t(part.title)}</h3>}
      {words.length === 1 ? (
        <p>{words[0]}</p>
      ) : (
        <ol class="steps">
          {words.map((step) => (
            <li key={step}>{step}</li>
          ))}
        </ol>
      )}
      {part.command !== undefined && <code class="link-text command">{part.command}</code>}
    </div>
  );
}
