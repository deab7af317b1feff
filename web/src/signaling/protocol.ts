import type { ServerMessage } from '../wire/ServerMessage';
import { isServerMessage } from './guard';

/** The version of the protocol that this page was built for. `welcome` and `GET /api/server` tell the server's. */
export const PROTOCOL_VERSION = 1;

/** The WebSocket subprotocol. */
export const SUBPROTOCOL = 'hearth.v1';

/** One handler for each message of the server; leaving one out does not compile. */
export type Handlers = {
  readonly [Type in ServerMessage['type']]: (message: Extract<ServerMessage, { type: Type }>) => void;
};

/** Reads one frame. Null when it is none of the messages known here: a newer server may send more, and that is no reason to stop. */
export function parseServerMessage(frame: string): ServerMessage | null {
  try {
    const value: unknown = JSON.parse(frame);
    return isServerMessage(value) ? value : null;
  } catch {
    return null;
  }
}

/** The version in a welcome of another protocol, whose other fields can't be relied on; null for any other frame. */
export function foreignProtocol(frame: string): number | null {
  try {
    const value = JSON.parse(frame) as { type?: unknown; protocol?: unknown } | null;
    if (value?.type !== 'welcome' || typeof value.protocol !== 'number') return null;
    return value.protocol === PROTOCOL_VERSION ? null : value.protocol;
  } catch {
    return null;
  }
}

/** Gives a message to its handler. */
export function dispatch(message: ServerMessage, handlers: Handlers): void {
  switch (message.type) {
    case 'welcome':
      return handlers.welcome(message);
    case 'participantJoined':
      return handlers.participantJoined(message);
    case 'participantDisconnected':
      return handlers.participantDisconnected(message);
    case 'participantReturned':
      return handlers.participantReturned(message);
    case 'participantLeft':
      return handlers.participantLeft(message);
    case 'offer':
      return handlers.offer(message);
    case 'answer':
      return handlers.answer(message);
    case 'candidate':
      return handlers.candidate(message);
    case 'mediaChanged':
      return handlers.mediaChanged(message);
    case 'chat':
      return handlers.chat(message);
    case 'iceServers':
      return handlers.iceServers(message);
    case 'meetingEnded':
      return handlers.meetingEnded(message);
    case 'serverRestart':
      return handlers.serverRestart(message);
    case 'pong':
      return handlers.pong(message);
    case 'error':
      return handlers.error(message);
    default:
      return assertNever(message);
  }
}

/** What a closed socket asks of the page. */
export type CloseMeaning = 'comeBack' | 'left' | 'joinAgain' | 'over' | 'replaced' | 'full';

/** Reads a close code. Whatever is not known means that the connection was lost and may be taken up again. */
export function meaningOfClose(code: number): CloseMeaning {
  switch (code) {
    case 1000:
      return 'left';
    case 4401: // The ticket or resume token was not accepted.
    case 4410: // The seat was given up.
      return 'joinAgain';
    case 4404:
      return 'over';
    case 4409:
      return 'replaced';
    case 4429:
      return 'full';
    default:
      return 'comeBack';
  }
}

function assertNever(value: never): never {
  throw new Error(`unhandled message: ${JSON.stringify(value)}`);
}
