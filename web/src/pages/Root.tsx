import type { JSX } from 'preact';
import { type Ui, UiContext } from '../components/context';
import { lazily } from '../components/lazy';
import { AdminPage } from './AdminPage';
import { HomePage } from './HomePage';
import { MeetingPage } from './MeetingPage';
import { NotFoundPage } from './NotFoundPage';
import { RegisterPage } from './RegisterPage';
import { SetupPage } from './SetupPage';
import { SignInPage } from './SignInPage';
import { TrustPage } from './TrustPage';

/** Nearly nobody ever looks at it. */
const CheckPage = lazily(async () => (await import('./CheckPage')).CheckPage);

export function Root({ ui }: { ui: Ui }): JSX.Element {
  return (
    <UiContext.Provider value={ui}>
      <CurrentPage ui={ui} />
    </UiContext.Provider>
  );
}

function CurrentPage({ ui }: { ui: Ui }): JSX.Element {
  const route = ui.router.route.value;
  switch (route.page) {
    case 'home':
      return <HomePage />;
    case 'signIn':
      return <SignInPage next={route.next} />;
    case 'register':
      return <RegisterPage next={route.next} />;
    case 'setup':
      return <SetupPage />;
    case 'check':
      return <CheckPage />;
    case 'trust':
      return <TrustPage />;
    case 'meeting':
      return <MeetingPage key={route.code} code={route.code} />;
    case 'admin':
      return <AdminPage section={route.section} />;
    case 'notFound':
      return <NotFoundPage />;
  }
}
