import type { JSX } from 'preact';
import { t } from '../i18n';
import { useUi, usePlace } from './context';
import { AutoIcon, Mark, MoonIcon, SunIcon } from './icons';
import { Menu } from './Menu';
import type { Theme } from './settings';

/** The head of every page outside a meeting. */
export function Header({ bare = false }: { bare?: boolean }): JSX.Element {
  const place = usePlace();
  return (
    <>
      <header class="header">
        <a class="brand" href="/" aria-label={t('app.home', { place })}>
          <Mark />
          <span>{place}</span>
        </a>
        {!bare && <AccountCorner />}
        <ThemeSwitch />
      </header>
      <Unsettled />
    </>
  );
}

/** Why it is not known which place this is or who is signed in, or why somebody who signed out still is. */
function Unsettled(): JSX.Element {
  const { session } = useUi().app;
  const why = session.error.value?.message;
  const user = session.user.value;
  return (
    <div role="alert">
      {why !== undefined && (
        <div class="note warn unsettled">
          <span>{user === null ? why : t(user ? 'app.stillSignedIn' : 'app.unsettled', { why })}</span>
          <button type="button" class="button" onClick={() => void session.start()}>
            {t('app.tryAgain')}
          </button>
        </div>
      )}
    </div>
  );
}

function AccountCorner(): JSX.Element | null {
  const { app, router } = useUi();
  const user = app.session.user.value;
  if (user === undefined) return null;
  if (user === null) {
    return (
      <a class="button" href="/signin">
        {t('app.signIn')}
      </a>
    );
  }
  const signOut = async (): Promise<void> => {
    if (await app.session.signOut()) router.go('/');
  };
  return (
    <>
      <span class="who" title={user.email}>
        {user.name}
      </span>
      <button type="button" class="button plain" onClick={() => void signOut()}>
        {t('app.signOut')}
      </button>
    </>
  );
}

const THEMES: readonly { readonly theme: Theme; readonly label: 'theme.auto' | 'theme.light' | 'theme.dark'; readonly Icon: () => JSX.Element }[] = [
  { theme: 'auto', label: 'theme.auto', Icon: AutoIcon },
  { theme: 'light', label: 'theme.light', Icon: SunIcon },
  { theme: 'dark', label: 'theme.dark', Icon: MoonIcon },
];

function ThemeSwitch(): JSX.Element {
  const { theme: chosen } = useUi().settings;
  const Current = THEMES.find(({ theme }) => theme === chosen.value)?.Icon ?? AutoIcon;
  const items = THEMES.map(({ theme, label, Icon }) => ({
    key: theme,
    label: t(label),
    icon: <Icon />,
    chosen: theme === chosen.value,
    onSelect: () => {
      chosen.value = theme;
    },
  }));
  return (
    <Menu label={t('theme.label')} look="button plain square" groups={[{ title: t('theme.label'), items }]} place="below end">
      <Current />
    </Menu>
  );
}
