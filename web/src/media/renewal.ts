import { isRelayed, ufragsOf, type Whose } from './rtc';

/** Longer than people who were told of a restart of the server take to come back, all within two seconds of each other. */
const PATIENCE_MS = 4_000;

/** Moves connections over to new relay credentials, or to a relay that has forgotten them, where they use one. */
export class Renewal {
  readonly #patient: boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Often both sides have reason to restart ICE at the same moment. One restart does for both, and two that cross are more than
   * browsers digest each time; so one of the two is `patient` and waits for the other's.
   */
  constructor(patient: boolean) {
    this.#patient = patient;
  }

  /**
   * Restarts ICE where this side is relayed: the allocation ends with the credentials that it was made with. Where `either` side's
   * relay is gone, the side that need not wait sees to it, whoever's it was.
   */
  start(connection: RTCPeerConnection, whose: Whose): void {
    this.stop();
    if (!this.#patient) return void restartRelayed(connection, whose);
    const before = generationOf(connection);
    this.#timer = setTimeout(() => {
      if (generationOf(connection) === before) void restartRelayed(connection, whose);
    }, PATIENCE_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

async function restartRelayed(connection: RTCPeerConnection, whose: Whose): Promise<void> {
  if (isRelayed(await connection.getStats(), whose) && connection.signalingState !== 'closed') connection.restartIce();
}

/** What changes with every restart of ICE. */
function generationOf({ localDescription }: RTCPeerConnection): string {
  return [...ufragsOf(localDescription?.sdp ?? '')].join();
}
