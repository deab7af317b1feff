import type { IceServer } from '../wire/IceServer';
import type { Rtc } from './rtc';

/** How long the servers are given to answer: longer than a browser repeats its question by UDP. */
const PATIENCE_MS = 12_000;

/** Which kinds of candidates came (RFC 8445 §5.1.1), and what the browser says about those that did not. */
export interface Gathered {
  readonly host: boolean;
  readonly reflexive: boolean;
  readonly relayed: boolean;
  readonly reason: string | null;
}

/** Lets the browser look for ways by way of these servers, and talks to nobody. */
export async function gather(rtc: Rtc, iceServers: readonly IceServer[]): Promise<Gathered> {
  const connection = rtc.connection({ iceServers: iceServers.map((server) => ({ ...server })) });
  const kinds = new Set<string>();
  const reasons = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      connection.onicecandidate = ({ candidate }) => {
        if (candidate === null) resolve();
        else if (candidate.type !== null) kinds.add(candidate.type);
      };
      connection.onicecandidateerror = ({ errorCode, errorText }) => void reasons.add(`${errorCode}: ${errorText}`);
      connection.createDataChannel('');
      connection.setLocalDescription().catch(reject);
      timer = setTimeout(resolve, PATIENCE_MS);
    });
  } catch (error) {
    reasons.add(error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
    connection.close();
  }
  const reason = [...reasons].join('; ');
  return { host: kinds.has('host'), reflexive: kinds.has('srflx'), relayed: kinds.has('relay'), reason: reason === '' ? null : reason };
}
