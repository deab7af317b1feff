import type { SettingValue } from '../wire/SettingValue';
import { vocabulary } from './index';

/** The words of the page on which administrators change settings. */
export const settingsWords = {
  'settings.loading': 'Asking the server…',
  'settings.intro': 'Changes hold at once, without a pause for anybody, unless it says otherwise. Meetings that are under way go on by the rules they began with.',
  'settings.save': 'Save changes',
  'settings.saving': 'Saving…',
  'settings.saved': 'Saved.',
  'settings.nothing': 'Nothing to save.',
  'settings.waiting': 'These hold only after a restart of the server: {keys}.',
  'settings.restart': 'Needs a restart of the server.',
  'settings.file': 'Set in the configuration file. To change it, change it there.',
  'settings.environment': 'Set by the environment of the server. To change it, change it there.',
  'settings.flag': 'Set on the command line of the server. To change it, change it there.',
  'settings.usual': 'Back to the default: {usual}',
  'settings.unset': 'nothing',
  'settings.on': 'on',
  'settings.off': 'off',
  'settings.onePerLine': 'One on each line.',
  'settings.yes': 'Yes',

  'group.place': 'This place',
  'group.certificate': 'Certificate',
  'group.accounts': 'Who may have an account',
  'group.meetings': 'Meetings',
  'group.relay': 'Relay',
  'group.ice': 'STUN and TURN servers of others',
  'group.limits': 'Limits',
  'group.other': 'More',

  'tls.auto': 'Whatever fits the address',
  'tls.acme': 'A public authority (ACME)',
  'tls.local': 'This server’s own authority',
  'tls.files': 'Your own files',

  'registration.open': 'Everybody who can reach this server',
  'registration.closed': 'Nobody',

  'ice.intro': 'Browsers are told of these beside the relay of this server, or instead of it where that one is off.',
  'ice.none': 'None. The relay of this server is all that most places need.',
  'ice.urls': 'Addresses',
  'ice.urlsHint': 'For example turn:turn.example.org:3478. One on each line.',
  'ice.access': 'How it is opened',
  'ice.open': 'Without a password (STUN alone)',
  'ice.password': 'By a name and password for everybody',
  'ice.secret': 'By a shared secret (use-auth-secret)',
  'ice.username': 'Name',
  'ice.passwordLabel': 'Password',
  'ice.secretLabel': 'Secret',
  'ice.kept': 'It is kept, and not shown. Write another one to change it.',
  'ice.ttl': 'Passwords made from it are good for, in seconds',
  'ice.add': 'Add a server',
  'ice.remove': 'Remove this server',
  'ice.server': 'Server {number}',
} as const;

export const settings = vocabulary(settingsWords);

/** What the settings are called here. One that is missing goes by the name that it has in the file. */
export const SETTING_NAMES: Readonly<Record<string, string>> = {
  'server.name': 'Name',
  'server.public_url': 'Address',
  'server.cors_origins': 'Pages of other sites that may use this server',
  'tls.mode': 'Where it comes from',
  'tls.acme_contact': 'E-mail address for the authority',
  'accounts.registration': 'Who may register',
  'meetings.max_participants': 'People in one meeting, at most',
  'meetings.guests_allowed': 'Guests may join, where the host decides nothing',
  'meetings.ping_timeout_seconds': 'A silent connection counts as lost after, in seconds',
  'meetings.resume_window_seconds': 'A seat is kept for, in seconds',
  'relay.enabled': 'The relay runs',
  'relay.external_address': 'Address outside',
  'relay.credential_ttl_seconds': 'Passwords for the relay are good for, in seconds',
  'relay.max_allocations': 'Relayed connections at once',
  'relay.max_allocations_per_address': 'Relayed connections of one address at once',
  'relay.max_kbps_per_allocation': 'Bandwidth of one relayed connection, in kbit/s',
  'relay.max_kbps_per_participant': 'Bandwidth of one person, in kbit/s',
  'relay.max_kbps': 'Bandwidth in all, in kbit/s',
  'ice.servers': 'Servers',
  'limits.connections': 'Connections at once',
  'limits.connections_per_address': 'Connections of one address',
  'limits.requests_per_minute': 'Requests of one address in a minute',
  'limits.meetings_per_hour': 'New meetings of one account in an hour',
  'limits.registrations_per_hour': 'New accounts from one address in an hour',
  'limits.chat_lines_per_ten_seconds': 'Lines of chat of one person in ten seconds',
  'log.level': 'What is logged',
};

const t = settings.words;

/** Settings that are one of a few words, and what these are called here. */
export const CHOICES: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'accounts.registration': [
    ['open', t('registration.open')],
    ['closed', t('registration.closed')],
  ],
  'tls.mode': [
    ['auto', t('tls.auto')],
    ['acme', t('tls.acme')],
    ['local', t('tls.local')],
    ['files', t('tls.files')],
  ],
};

/** What a setting is, in words. */
export function told(key: string, value: SettingValue | undefined): string {
  const choice = CHOICES[key]?.find(([one]) => one === value);
  if (choice) return choice[1];
  if (typeof value === 'boolean') return t(value ? 'settings.on' : 'settings.off');
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return t('settings.unset');
  return Array.isArray(value) ? value.join(', ') : String(value);
}
