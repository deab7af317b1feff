import '../styles/admin.css';
import type { ComponentChildren, JSX } from 'preact';
import { t } from '../i18n';
import { admin } from '../i18n/admin';
import { ADMIN_SECTIONS, adminPath, type AdminSection } from '../router';
import { usePageHeading, useUi } from './context';
import { Header } from './Header';

/** The frame of the pages for administrators. Its children are made only when an administrator is signed in. */
export function AdminFrame({ section, children }: { section: AdminSection; children: ComponentChildren }): JSX.Element {
  const user = useUi().app.session.user.value;
  const title = admin.words(`admin.${section}`);
  const heading = usePageHeading(title);
  const admitted = user?.role === 'admin';
  return (
    <div class="page">
      <Header />
      <main class="content admin">
        {admitted && <Sections current={section} />}
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {admitted && children}
        {user === undefined && (
          <p class="soft" role="status">
            {t('app.loading')}
          </p>
        )}
        {user !== undefined && !admitted && <Elsewhere signedIn={user !== null} />}
      </main>
    </div>
  );
}

function Sections({ current }: { current: AdminSection }): JSX.Element {
  return (
    <nav class="sections" aria-label={admin.words('admin.label')}>
      {ADMIN_SECTIONS.map((section) => (
        <a key={section} href={adminPath(section)} aria-current={section === current ? 'page' : undefined}>
          {admin.words(`admin.${section}`)}
        </a>
      ))}
    </nav>
  );
}

function Elsewhere({ signedIn }: { signedIn: boolean }): JSX.Element {
  return (
    <div class="stack">
      <p class="soft">{admin.words(signedIn ? 'admin.notForYou' : 'admin.signInFirst')}</p>
      <div class="buttons">
        {!signedIn && (
          <a class="button primary" href="/signin">
            {t('app.signIn')}
          </a>
        )}
        <a class="button" href="/">
          {t('left.home')}
        </a>
      </div>
    </div>
  );
}
