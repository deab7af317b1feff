import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { useOwned, usePageHeading, usePlace, useUi } from '../components/context';
import { Header } from '../components/Header';
import { TrustLink } from '../components/TrustLink';
import { t } from '../i18n';
import { adminPath } from '../router';
import type { Account } from '../wire/Account';
import { CreateMeeting } from './CreateMeeting';
import { JoinByCode } from './JoinByCode';
import { MeetingsList } from './MeetingsList';

/** The first page: for those with an account the place to start from, for others the place to join or to sign in. */
export function HomePage(): JSX.Element {
  const user = useUi().app.session.user.value;
  return (
    <div class="page">
      <Header />
      <main class="content">
        {user === undefined && (
          <p class="soft" role="status">
            {t('app.loading')}
          </p>
        )}
        {user === null && <Visitor />}
        {user && <Member user={user} />}
        <TrustLink />
      </main>
    </div>
  );
}

function Hello({ title, intro }: { title: string; intro: string }): JSX.Element {
  const place = usePlace();
  const heading = usePageHeading(place);
  return (
    <div class="hello">
      <h1 ref={heading} tabIndex={-1}>
        {title}
      </h1>
      <p class="soft">{intro}</p>
    </div>
  );
}

function Visitor(): JSX.Element {
  const needsSetup = useUi().app.session.server.value?.needsSetup === true;
  return (
    <>
      <Hello title={t('home.welcome')} intro={t('home.introGuest')} />
      <div class="home-grid">
        {needsSetup && <div class="note whole">{t('home.needsSetup')}</div>}
        <JoinByCode />
        <section class="card stack">
          <h2>{t('home.signInTitle')}</h2>
          <p class="soft">{t('home.signInHint')}</p>
          <a class="button" href="/signin">
            {t('app.signIn')}
          </a>
        </section>
      </div>
    </>
  );
}

function Member({ user }: { user: Account }): JSX.Element {
  const { app } = useUi();
  const meetings = useOwned(() => {
    const state = app.newMeetings();
    return { state, dispose: () => undefined };
  }).state;
  useEffect(() => void meetings.load(), [meetings]);
  return (
    <>
      <Hello title={t('home.hello', { name: user.name })} intro={t('home.intro')} />
      <div class="home-grid">
        <CreateMeeting meetings={meetings} />
        <JoinByCode />
        <MeetingsList meetings={meetings} />
        {user.role === 'admin' && (
          <p class="whole">
            <a href={adminPath('status')}>{t('home.admin')}</a>
          </p>
        )}
      </div>
    </>
  );
}
