import type { ComponentType, JSX } from 'preact';
import { lazily } from '../components/lazy';
import type { AdminSection } from '../router';

/** Each page by itself, so that nobody loads one who doesn't look at it. */
const PAGES: Readonly<Record<AdminSection, ComponentType>> = {
  status: lazily(async () => (await import('./admin/StatusPage')).StatusPage),
  settings: lazily(async () => (await import('./admin/SettingsPage')).SettingsPage),
  doctor: lazily(async () => (await import('./admin/DoctorPage')).DoctorPage),
};

/** The pages for administrators. */
export function AdminPage({ section }: { section: AdminSection }): JSX.Element {
  const Page = PAGES[section];
  return <Page />;
}
