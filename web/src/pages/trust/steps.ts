import type { System } from '../../components/system';
import type { Key } from '../../i18n';

type StepKey = Extract<Key, `trust.${System | 'firefox' | 'chromium' | 'debian'}.${number}`>;

/** What one does on a system, or in one program of it. */
export interface Steps {
  readonly title: Extract<Key, `trust.sub.${string}`> | null;
  readonly steps: readonly StepKey[];
  /** What one types into a terminal. */
  readonly command?: string;
}

/** What each system is given to install, and how. `{name}` in a step stands for the authority's name. */
export const GUIDES: Readonly<Record<System, { readonly profile: boolean; readonly parts: readonly Steps[] }>> = {
  ios: { profile: true, parts: [{ title: null, steps: ['trust.ios.1', 'trust.ios.2', 'trust.ios.3'] }] },
  android: { profile: false, parts: [{ title: null, steps: ['trust.android.1', 'trust.android.2', 'trust.android.3', 'trust.android.4'] }] },
  windows: { profile: false, parts: [{ title: null, steps: ['trust.windows.1', 'trust.windows.2', 'trust.windows.3', 'trust.windows.4'] }] },
  macos: { profile: false, parts: [{ title: null, steps: ['trust.macos.1', 'trust.macos.2', 'trust.macos.3', 'trust.macos.4'] }] },
  linux: {
    profile: false,
    parts: [
      { title: null, steps: ['trust.linux.0'] },
      { title: 'trust.sub.firefox', steps: ['trust.firefox.1', 'trust.firefox.2'] },
      { title: 'trust.sub.chromium', steps: ['trust.chromium.1', 'trust.chromium.2'] },
      {
        title: 'trust.sub.system',
        steps: ['trust.debian.1'],
        command: 'sudo install -m 644 hearth-ca.crt /usr/local/share/ca-certificates/ && sudo update-ca-certificates',
      },
    ],
  },
};
