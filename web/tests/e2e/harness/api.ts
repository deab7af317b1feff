import { Agent, request } from 'node:https';
import type { CreateMeetingRequest } from '../../../src/wire/CreateMeetingRequest';
import type { MeetingReply } from '../../../src/wire/MeetingReply';
import type { ParticipantList } from '../../../src/wire/ParticipantList';
import type { SetupRequest } from '../../../src/wire/SetupRequest';
import type { SignedIn } from '../../../src/wire/SignedIn';

/** The server's HTTP API as a program on the same machine uses it: what a test needs to exist before its people arrive. */
export class Api {
  private readonly origin: URL;
  private readonly agent = new Agent({ rejectUnauthorized: false, keepAlive: false });

  /** `origin` is the server's name. It is asked on the loopback address, whatever that name means elsewhere. */
  constructor(origin: string) {
    this.origin = new URL(origin);
  }

  /** The answer's status, or `null` when nobody answers. */
  async status(path: string): Promise<number | null> {
    return this.call('GET', path).then((answer) => answer.status, () => null);
  }

  async setUp(body: SetupRequest): Promise<SignedIn> {
    return this.expect<SignedIn>(201, 'POST', '/api/setup', body);
  }

  async signIn(email: string, password: string): Promise<SignedIn> {
    return this.expect<SignedIn>(200, 'POST', '/api/auth/login', { email, password });
  }

  async createMeeting(accessToken: string, body: CreateMeetingRequest): Promise<MeetingReply> {
    return this.expect<MeetingReply>(201, 'POST', '/api/meetings/create', body, accessToken);
  }

  async participants(accessToken: string, code: string): Promise<ParticipantList> {
    return this.expect<ParticipantList>(200, 'GET', `/api/meetings/${code}/participants`, undefined, accessToken);
  }

  private async expect<T>(status: number, method: string, path: string, body?: unknown, accessToken?: string): Promise<T> {
    const answer = await this.call(method, path, body, accessToken);
    if (answer.status !== status) throw new Error(`${method} ${path} gave ${answer.status}, not ${status}: ${answer.text}`);
    return JSON.parse(answer.text) as T;
  }

  private call(method: string, path: string, body?: unknown, accessToken?: string): Promise<{ status: number; text: string }> {
    const { origin, host, hostname, port } = this.origin;
    const headers: Record<string, string> = { origin, host };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (accessToken !== undefined) headers['authorization'] = `Bearer ${accessToken}`;
    return new Promise((resolve, reject) => {
      const where = { host: '127.0.0.1', port: port || 443, path, servername: hostname };
      const sent = request({ ...where, method, headers, agent: this.agent, timeout: 10_000 }, (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => (text += chunk));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
        answer.on('error', reject);
      });
      sent.on('error', reject);
      sent.on('timeout', () => sent.destroy(new Error(`${method} ${path} got no answer within 10 s`)));
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
