import { computed, signal, type ReadonlySignal } from '@preact/signals';
import type { Mesh } from '../media/mesh';
import type { PeerLink } from '../media/types';
import type { MediaState } from '../wire/MediaState';
import type { Participant } from '../wire/Participant';
import type { ParticipantId } from '../wire/ParticipantId';
import type { Environment } from './environment';
import type { LocalMedia } from './localmedia';
import { Speakers } from './speakers';

/** Somebody in the meeting, as a tile shows them. */
export interface PersonView {
  readonly id: ParticipantId;
  readonly name: string;
  readonly self: boolean;
  readonly host: boolean;
  readonly guest: boolean;
  /** The server does not reach them at the moment. Picture and sound may well go on. */
  readonly away: boolean;
  readonly link: ReadonlySignal<PeerLink>;
  readonly media: MediaState;
  /** Picture and sound of others; one's own picture. */
  readonly stream: ReadonlySignal<MediaStream | null>;
  readonly speaking: ReadonlySignal<boolean>;
}

/** What the people are put together from. */
export interface PeopleOptions {
  readonly self: ReadonlySignal<ParticipantId | null>;
  readonly roster: ReadonlySignal<readonly Participant[]>;
  readonly mesh: Mesh;
  readonly local: LocalMedia;
  readonly environment: Pick<Environment, 'monotonic'>;
}

const LISTEN_EVERY_MS = 200;

/** Everybody in the meeting: what the server tells of them, with their connections and devices. */
export class People {
  readonly #options: PeopleOptions;
  readonly #speakers = new Speakers();
  readonly #always = signal<PeerLink>('connected');
  readonly #notYet = signal<PeerLink>('connecting');
  readonly #nothing = signal<MediaStream | null>(null);
  readonly #timer: ReturnType<typeof setInterval>;

  /** Oneself first, then in the order of coming. */
  readonly views = computed<PersonView[]>(() => {
    const { self, roster } = this.#options;
    const views = roster.value.map((person) => (person.id === self.value ? this.#own(person) : this.#other(person)));
    return views.sort((one, other) => Number(other.self) - Number(one.self));
  });

  constructor(options: PeopleOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#listen(), LISTEN_EVERY_MS);
  }

  dispose(): void {
    clearInterval(this.#timer);
  }

  #own(person: Participant): PersonView {
    const { local } = this.#options;
    const media = { audio: local.audioOn.value, video: local.videoOn.value, screen: false };
    return {
      ...described(person),
      self: true,
      media,
      away: false,
      link: this.#always,
      stream: local.stream,
      speaking: local.speaking,
    };
  }

  #other(person: Participant): PersonView {
    const peer = this.#options.mesh.peers.value.get(person.id);
    return {
      ...described(person),
      self: false,
      media: person.media,
      away: !person.connected,
      link: peer?.link ?? this.#notYet,
      stream: peer?.stream ?? this.#nothing,
      speaking: this.#speakers.of(person.id),
    };
  }

  #listen(): void {
    const { mesh, environment } = this.#options;
    const peers = mesh.peers.peek();
    this.#speakers.keep(new Set(peers.keys()));
    for (const [id, peer] of peers) this.#speakers.hear(id, peer.level(), environment.monotonic());
  }
}

function described({ id, name, role, guest }: Participant): Pick<PersonView, 'id' | 'name' | 'host' | 'guest'> {
  return { id, name, host: role === 'host', guest };
}
