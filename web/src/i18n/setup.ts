import { vocabulary } from './index';

/** The words of setting up a new place. */
export const setupWords = {
  'setup.title': 'Set up this place',
  'setup.noToken': 'This page needs the one-time link of this server. “sudo hearth setup-link”, typed on the server, shows it. Open that link, whole.',
  'setup.done': 'This place is set up already.',
  'setup.step': 'Step {number} of {all}',
  'setup.continue': 'Continue',
  'setup.back': 'Back',
  'setup.skip': 'Skip',

  'step.place': 'Name and address',
  'step.certificate': 'Certificate',
  'step.account': 'Administrator',
  'step.people': 'Accounts',
  'step.relay': 'Relay',
  'step.meeting': 'First meeting',

  'place.intro': 'What this place is called, and how people reach it. All of this can be changed later.',
  'place.name': 'Name of this place',
  'place.nameHint': 'People see it on the first page.',
  'place.address': 'Address',
  'place.addressHint': 'What people type, like https://meet.example.org. Left empty, links have the address by which you came.',
  'place.notHttps': 'Write it like https://meet.example.org, without anything behind the name and the port.',

  'certificate.intro': 'The certificate tells browsers that they talk to this server and to nobody in between.',
  'certificate.acme': 'A public authority',
  'certificate.acmeHint':
    'The server asks a public authority by itself (Let’s Encrypt, unless the settings name another) and renews in time. For that, {host} must lead to this server, and port 443 must be open to the internet. By choosing this you agree to the authority’s terms.',
  'certificate.local': 'This server itself',
  'certificate.localHint': 'Right in a network of your own. Each device that shall come without a warning must be told once to trust this server.',
  'certificate.unnamed':
    'Without an address of its own, this server is known by names of your own network. No public authority vouches for these, so the server vouches for itself. Each device that shall come without a warning must be told once to trust it.',
  'certificate.vouched': 'The certificate of this server is vouched for by somebody else. There is nothing to do.',
  'certificate.trust': 'How to trust it on a phone or a computer',

  'account.intro': 'The first account is the administrator’s. The link that brought you here works once: for this step.',
  'account.submit': 'Create admin account',

  'people.intro': 'Who may make an account here? Guests join meetings without one, where the host allows it.',
  'people.open': 'Everybody who can reach this server',
  'people.openHint': 'Right where only your own people reach it, as at home.',
  'people.closed': 'Nobody',
  'people.closedHint': 'Safest on the internet. Invite people to your meetings as guests.',

  'relay.intro': 'Some networks don’t let browsers talk to each other directly. The relay carries their calls. To test it, the server sends a packet through it:',
  'relay.testing': 'Testing the relay…',
  'relay.broken': 'Something is in the way of the relay. Calls that need no relay work all the same.',
  'relay.again': 'Test again',
  'relay.outside': 'Whether it can be reached from outside of your network, the doctor on the administrators’ pages can tell.',

  'meeting.intro': 'This place is ready. Start a first meeting, and send somebody the link.',
  'meeting.overruled': 'This was decided elsewhere, and is not what you chose:',
  'meeting.awaited': 'The certificate for {host} is not here yet. The server goes on asking for it, and you need not wait. Until it comes, browsers warn before they go on.',
  'meeting.vouched': 'The certificate for {host} is here. From now on this place is found without a warning at',
  'meeting.title': 'First meeting',
  'meeting.start': 'Start the first meeting',
  'meeting.later': 'Not now',
} as const;

export const setup = vocabulary(setupWords);
