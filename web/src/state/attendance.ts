import { signal, type ReadonlySignal } from '@preact/signals';
import { Mesh } from '../media/mesh';
import type { Negotiation } from '../media/rtc';
import type { Outcome } from '../media/watch';
import type { Participant } from '../wire/Participant';
import type { ParticipantId } from '../wire/ParticipantId';
import type { ServerMessage } from '../wire/ServerMessage';
import type { Environment } from './environment';
import type { LocalMedia } from './localmedia';
import { Notices } from './notices';
import { People } from './people';
import { Roster } from './roster';

/** What attendance is made of. */
export interface AttendanceOptions {
  readonly environment: Environment;
  readonly local: LocalMedia;
  /** Passes negotiation on to one peer, if there is a way at the moment. */
  readonly send: (to: ParticipantId, negotiation: Negotiation) => void;
  /** Tells the server how the connection to one peer turned out. */
  readonly tellOutcome: (to: ParticipantId, outcome: Outcome) => void;
}

type Welcome = Extract<ServerMessage, { type: 'welcome' }>;

/** Who is in the meeting, together with the connection to each of them: the two never disagree. */
export class Attendance {
  readonly #local: LocalMedia;
  readonly #self = signal<ParticipantId | null>(null);
  readonly #roster = new Roster(() => this.#follow());

  readonly mesh: Mesh;
  readonly people: People;
  readonly notices = new Notices();

  constructor({ environment, local, send, tellOutcome }: AttendanceOptions) {
    this.#local = local;
    this.mesh = new Mesh({ rtc: environment.rtc, now: () => environment.monotonic(), send, outcome: tellOutcome });
    this.people = new People({ self: this.#self, roster: this.#roster.people, mesh: this.mesh, local, environment });
  }

  /** One's own seat. */
  get self(): ReadonlySignal<ParticipantId | null> {
    return this.#self;
  }

  /** Oneself, as the others see it. */
  get me(): Participant | undefined {
    return this.#self.value === null ? undefined : this.#roster.find(this.#self.value);
  }

  /** A seat was taken. Connections of the same seat are kept and mended where they need it; those of another one end. */
  welcome({ participantId, participants, settlesInMs, iceServers }: Welcome): void {
    if (this.#self.value !== null && this.#self.value !== participantId) this.clear();
    const before = [...this.mesh.peers.peek().keys()];
    this.#self.value = participantId;
    // A server that was away has forgotten all allocations of its relay. Whoever used one need not wait until that shows.
    if (settlesInMs > 0) this.mesh.renewIceServers(iceServers, 'either');
    else this.mesh.useIceServers(iceServers);
    this.#roster.replace(participants, settlesInMs);
    this.mesh.online(true);
    this.#follow();
    this.mesh.recover(before);
  }

  /** The server can't be reached. Connections go on. */
  offline(): void {
    this.mesh.online(false);
  }

  /** Somebody came, or came back: after a restart of the server it may tell either of the same event. */
  came(person: Participant): void {
    const known = this.#roster.put(person);
    this.notices.add(known ? 'returned' : 'joined', person.name);
    this.#follow();
    if (known) this.mesh.recover([person.id]);
  }

  /** Somebody lost the server; the seat is kept. */
  away(id: ParticipantId): void {
    this.#tell('away', id);
    this.#roster.away(id);
    this.#follow();
  }

  /** Somebody is gone. */
  left(id: ParticipantId): void {
    this.#tell('left', id);
    this.#roster.remove(id);
    this.#follow();
  }

  /** Somebody switched something. */
  switched(id: ParticipantId, media: Participant['media']): void {
    this.#roster.media(id, media);
  }

  /** Ends all connections and forgets everybody. */
  clear(): void {
    this.mesh.clear();
    this.#roster.clear();
  }

  dispose(): void {
    this.people.dispose();
    this.clear();
  }

  #follow(): void {
    if (this.#self.value === null) return;
    const people = this.#roster.people.peek();
    this.mesh.follow(this.#self.value, people);
    this.#local.fitTo(people.length);
  }

  #tell(kind: 'away' | 'left', id: ParticipantId): void {
    const person = this.#roster.find(id);
    if (person) this.notices.add(kind, person.name);
  }
}
