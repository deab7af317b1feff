import { vocabulary } from './index';

/** The words of the test from outside, on the phone. */
export const checkWords = {
  'check.title': 'Can calls get through?',
  'check.intro': 'This phone tries every way by which calls reach this server, and tells the administrator. It takes some seconds and needs neither camera nor microphone.',
  'check.noToken': 'This page needs the link that an administrator made. Open that link, whole.',
  'check.udp': 'By UDP',
  'check.tcp': 'By TCP',
  'check.tls': 'By TLS',
  'check.udpHint': 'The usual way.',
  'check.tcpHint': 'Where a network stops UDP.',
  'check.tlsHint': 'Through strict firewalls.',
  'outcome.trying': 'Trying…',
  'outcome.reached': 'Gets through',
  'outcome.missed': 'Doesn’t get through',
  'check.reason': 'The browser says: {reason}',
  'check.done': 'Done. The administrator’s page shows what was found and what mends it. You can close this page.',
} as const;

export const words = vocabulary(checkWords);
