import { vocabulary } from './index';

/** The words of the doctor's page. What was found comes from the server in words of its own. */
export const doctorWords = {
  'here.title': 'From here',
  'here.intro': 'The server looks at its name, ports, certificate, relay and machine, and says what mends what is wrong.',
  'here.again': 'Look again',
  'here.running': 'Looking… This takes some seconds.',
  'here.examined': 'Looked at on {when}.',
  'here.nothing': 'Nothing is wrong.',
  'rest.one': '{count} more thing that needs nothing',
  'rest.other': '{count} more things that need nothing',
  'outcome.good': 'Good',
  'outcome.skipped': 'Not looked at',
  'outcome.warning': 'To look at',
  'outcome.bad': 'To mend',
  'mend': 'What mends it:',
  'outside.title': 'From outside',
  'outside.intro':
    'Only somebody outside sees what people outside see. Open a link on a phone that is not in this network: switch its Wi-Fi off, and it tries every way to the relay.',
  'outside.make': 'Make a link',
  'outside.remake': 'Make a new link',
  'outside.scan': 'Photograph this with the phone, or open the link there. It works once, until {when}.',
  'outside.qr': 'QR code of the link',
  'outside.here': 'This page was opened by an address that a phone outside can’t reach. Open it by the address that people use, and make the link there.',
  'outside.waiting': 'Waiting for the phone…',
  'outside.trying': 'The phone is trying…',
  'outside.done': 'The phone has tried everything.',
} as const;

export const words = vocabulary(doctorWords);
