import { lazily } from '../components/lazy';

/** Setting up a new place, which is done once: its script is loaded for it alone. */
export const SetupPage = lazily(async () => (await import('./setup/SetupWizard')).SetupWizard);
