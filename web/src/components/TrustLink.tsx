import type { JSX } from 'preact';
import { t } from '../i18n';
import { useUi } from './context';

/** The way to the page that ends browsers' warnings, where there are any. */
export function TrustLink(): JSX.Element | null {
  if (useUi().app.session.server.value?.ownAuthority !== true) return null;
  return (
    <p class="aside soft">
      {t('trust.question')} <a href="/trust">{t('trust.link')}</a>
    </p>
  );
}
