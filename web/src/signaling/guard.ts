import type { ServerMessage } from '../wire/ServerMessage';

/** Says whether a value is what it should be. */
type Check = (value: unknown) => boolean;

/** One check for each field of a type; leaving one out does not compile. */
type FieldChecks<T> = { readonly [Field in keyof T]-?: Check };

type Checks = {
  readonly [Type in ServerMessage['type']]: FieldChecks<Omit<Extract<ServerMessage, { type: Type }>, 'type'>>;
};

const text: Check = (value) => typeof value === 'string';
const flag: Check = (value) => typeof value === 'boolean';
const count: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const oneOf = (...choices: readonly string[]): Check => (value) => typeof value === 'string' && choices.includes(value);
const list = (item: Check): Check => (value) => Array.isArray(value) && value.every(item);
const nullable = (check: Check): Check => (value) => value === null || check(value);
const optional = (check: Check): Check => (value) => value === undefined || value === null || check(value);

function fields<T>(checks: FieldChecks<T>): Check {
  const entries = Object.entries<Check>(checks);
  return (value) => isRecord(value) && entries.every(([name, check]) => check(value[name]));
}

const media = fields<Wire<'mediaChanged'>['media']>({ audio: flag, video: flag, screen: flag });

const participant = fields<Wire<'participantJoined'>['participant']>({
  id: text,
  name: text,
  role: oneOf('host', 'participant'),
  guest: flag,
  connected: flag,
  media,
});

const chatMessage = fields<Wire<'chat'>['message']>({
  id: text,
  from: text,
  fromName: text,
  to: nullable(text),
  text,
  sentAt: text,
});

const candidate = fields<Wire<'candidate'>['candidate']>({
  candidate: text,
  sdpMid: optional(text),
  sdpMLineIndex: optional(count),
  usernameFragment: optional(text),
});

const iceServer = fields<Wire<'welcome'>['iceServers'][number]>({
  urls: list(text),
  username: optional(text),
  credential: optional(text),
});

const settings = fields<Wire<'welcome'>['meeting']['settings']>({
  maxParticipants: count,
  isRecordingEnabled: flag,
  isChatEnabled: flag,
  isScreenShareEnabled: flag,
  requireApproval: flag,
  allowedDomains: list(text),
  guestsAllowed: flag,
});

const roomInfo = fields<Wire<'welcome'>['meeting']>({ roomId: text, title: text, settings, startedAt: text });

const errorDetail = fields<Wire<'error'>['error']>({
  code: text,
  message: text,
  field: optional(text),
  retryAfterSeconds: optional(count),
  problems: optional(list(fields<NonNullable<Wire<'error'>['error']['problems']>[number]>({ key: text, message: text, mend: text }))),
});

type Wire<Type extends ServerMessage['type']> = Extract<ServerMessage, { type: Type }>;

const CHECKS: Checks = {
  welcome: {
    protocol: count,
    participantId: text,
    resumeToken: text,
    resumeWindowMs: count,
    resumed: flag,
    meeting: roomInfo,
    participants: list(participant),
    settlesInMs: count,
    chat: list(chatMessage),
    iceServers: list(iceServer),
  },
  participantJoined: { participant },
  participantDisconnected: { participantId: text },
  participantReturned: { participant },
  participantLeft: { participantId: text, reason: oneOf('left', 'timedOut') },
  offer: { from: text, sdp: text },
  answer: { from: text, sdp: text },
  candidate: { from: text, candidate },
  mediaChanged: { participantId: text, media },
  chat: { message: chatMessage },
  iceServers: { iceServers: list(iceServer) },
  meetingEnded: { reason: oneOf('endedByHost', 'deleted') },
  serverRestart: { retryAfterMs: count },
  pong: {},
  error: { error: errorDetail, chatId: optional(text) },
};

/** Whether a value read from JSON is a message of the server, complete and of the right types. */
export function isServerMessage(value: unknown): value is ServerMessage {
  if (!isRecord(value) || typeof value['type'] !== 'string' || !Object.hasOwn(CHECKS, value['type'])) return false;
  const checks: Record<string, Check> = CHECKS[value['type'] as ServerMessage['type']];
  return Object.entries(checks).every(([name, check]) => check(value[name]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
