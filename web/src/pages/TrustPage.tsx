import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { useOwned, usePageHeading, usePlace, useUi } from '../components/context';
import { ErrorNote } from '../components/Field';
import { Fingerprint } from '../components/Fingerprint';
import { Header } from '../components/Header';
import { dateTime, t } from '../i18n';
import type { TrustAuthority } from '../wire/TrustAuthority';
import type { TrustInfo } from '../wire/TrustInfo';
import { Guide } from './trust/Guide';

/** How to make a device trust this server, for those whose browser doesn't do so yet. Needs no sign-in. */
export function TrustPage(): JSX.Element {
  const { app } = useUi();
  const trust = useOwned(() => {
    const state = app.newTrust();
    return { state, dispose: () => undefined };
  }).state;
  useEffect(() => void trust.load(), [trust]);
  const info = trust.info.value;
  const authority = info?.authority ?? null;
  return (
    <div class="page">
      <Header />
      <main class="content">
        <Introduction info={info} />
        <ErrorNote message={trust.error.value?.message} />
        {trust.error.value && (
          <button type="button" class="button" onClick={() => void trust.load()}>
            {t('app.tryAgain')}
          </button>
        )}
        {info && authority && (
          <div class="home-grid">
            <div class="stack">
              {info.temporary && <div class="note warn">{t('trust.temporary')}</div>}
              <Guide authority={authority} />
            </div>
            <div class="stack before">
              <Compare authority={authority} />
              <OtherDevice address={info.address} />
            </div>
          </div>
        )}
      </main>
    </div>
  );
}

function Introduction({ info }: { info: TrustInfo | null }): JSX.Element {
  const place = usePlace();
  const isTrusted = info !== null && info.authority === null;
  const title = isTrusted ? t('trust.noneTitle') : t('trust.title');
  const heading = usePageHeading(title);
  return (
    <div class="hello">
      <h1 ref={heading} tabIndex={-1}>
        {title}
      </h1>
      {info === null && (
        <p class="soft" role="status">
          {t('app.loading')}
        </p>
      )}
      {isTrusted && <p class="soft">{info.voucher === 'public' ? t('trust.public') : t('trust.administrator')}</p>}
      {info?.authority && <p class="soft prose">{t('trust.intro', { place })}</p>}
    </div>
  );
}

/** What tells this server's authority from that of somebody who sits in between. */
function Compare({ authority }: { authority: TrustAuthority }): JSX.Element {
  return (
    <section class="card stack">
      <h2>{t('trust.compareTitle')}</h2>
      <p class="small">{t('trust.compare')}</p>
      <dl class="facts-list">
        <dt>{t('trust.fingerprint')}</dt>
        <dd>
          <Fingerprint text={authority.fingerprint} />
        </dd>
        <dt>{t('trust.name')}</dt>
        <dd>{authority.name}</dd>
        <dt>{t('trust.endsAt')}</dt>
        <dd>{dateTime(authority.endsAt)}</dd>
      </dl>
      <p class="note warn">{t('trust.caution')}</p>
    </section>
  );
}

function OtherDevice({ address }: { address: string }): JSX.Element {
  return (
    <section class="card stack other-device">
      <h2>{t('trust.qrTitle')}</h2>
      <p class="small">{t('trust.qr')}</p>
      <img class="qr" src="/api/trust/qr.svg" width="200" height="200" alt={t('trust.qrAlt', { address })} />
      <p class="small soft">{address}</p>
    </section>
  );
}
