import { computed, effect, signal, type ReadonlySignal } from '@preact/signals';
import type { MeetingsApi } from '../api/meetings';
import type { ServerApi } from '../api/server';
import type { FinalClose } from '../signaling/connection';
import { dispatch, type Handlers } from '../signaling/protocol';
import type { ClientMessage } from '../wire/ClientMessage';
import type { EndReason } from '../wire/EndReason';
import type { JoinReply } from '../wire/JoinReply';
import type { MediaState } from '../wire/MediaState';
import type { ParticipantId } from '../wire/ParticipantId';
import type { RoomInfo } from '../wire/RoomInfo';
import type { ServerMessage } from '../wire/ServerMessage';
import { Attendance } from './attendance';
import { Chat, type ChatLine } from './chat';
import type { Environment } from './environment';
import type { LocalMedia } from './localmedia';
import type { Notice } from './notices';
import type { PersonView } from './people';
import { Seat } from './seat';
import { Sound, type SoundElement } from './sound';

export type { PeerLink } from '../media/types';
export type { ChatLine } from './chat';
export type { Notice } from './notices';
export type { PersonView } from './people';

/** Where somebody stands with a meeting. The last four are final. */
export type RoomPhase =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'inside' }
  | { readonly kind: 'reconnecting'; readonly since: number }
  | { readonly kind: 'left' }
  | { readonly kind: 'ended'; readonly reason: EndReason }
  | { readonly kind: 'replaced' }
  | { readonly kind: 'failed'; readonly error: { readonly code: string; readonly message: string } };

/** What a room is made of. */
export interface RoomOptions {
  readonly environment: Environment;
  readonly meetings: MeetingsApi;
  readonly server: Pick<ServerApi, 'info'>;
  readonly join: JoinReply;
  /** The name given when joining; empty when the account's counts. */
  readonly displayName: string;
  /** Belongs to the room from now on. */
  readonly local: LocalMedia;
}

type Welcome = Extract<ServerMessage, { type: 'welcome' }>;

/** One stay in one meeting, from the seat that join gave to its end. */
export class Room {
  readonly #options: RoomOptions;
  readonly #phase = signal<RoomPhase>({ kind: 'connecting' });
  readonly #info = signal<RoomInfo | null>(null);
  readonly #sound = new Sound();
  readonly #seat: Seat;
  readonly #attendance: Attendance;
  readonly #chat: Chat;
  readonly #stops: (() => void)[];
  #told: MediaState | null = null;
  #talking = false;

  /** The microphone and the camera. */
  readonly local: LocalMedia;
  readonly isHost = computed(() => this.people.value.some((person) => person.self && person.host));

  constructor(options: RoomOptions) {
    const { environment, local } = options;
    this.#options = options;
    this.local = local;
    this.#chat = new Chat(environment.newId, ({ id, to, text }) => this.#send({ type: 'chat', id, to, text }));
    this.#attendance = new Attendance({
      environment,
      local,
      send: (to, negotiation) => this.#send({ ...negotiation, to }),
      tellOutcome: (to, state) => this.#send({ type: 'connection', to, state }),
    });
    this.#seat = new Seat({
      ...options,
      media: () => (this.#told = this.#media()),
      received: (message) => dispatch(message, this.#handlers),
      lost: () => this.#onLost(),
      closed: (why) => this.#onClosed(why),
      failed: (code, text) => this.#fail(code, text),
    });
    this.#stops = [
      effect(() => this.#attendance.mesh.send(local.tracks.value)),
      effect(() => this.#tellMedia({ audio: local.audioOn.value, video: local.videoOn.value, screen: false })),
      effect(() => this.#sound.useSpeaker(local.speakerId.value)),
      environment.onAwake(() => this.#seat.hurry()),
      environment.onGone(() => this.#send({ type: 'leave' })),
    ];
  }

  get phase(): ReadonlySignal<RoomPhase> {
    return this.#phase;
  }

  /** Attempt after attempt to reach the meeting has failed. They go on. */
  get hardToReach(): ReadonlySignal<boolean> {
    return this.#seat.hardToReach;
  }

  /** The meeting; null until the server has told about it. */
  get info(): ReadonlySignal<RoomInfo | null> {
    return this.#info;
  }

  /** Everybody, oneself first. */
  get people(): ReadonlySignal<PersonView[]> {
    return this.#attendance.people.views;
  }

  get chat(): ReadonlySignal<ChatLine[]> {
    return this.#chat.lines;
  }

  /** How many lines came since the chat was last looked at. */
  get unread(): ReadonlySignal<number> {
    return this.#chat.unread;
  }

  /** Whether the browser wants a click before it plays the others' sound. */
  get audioBlocked(): ReadonlySignal<boolean> {
    return this.#sound.blocked;
  }

  /** What happened last, for those who can't see it. */
  get notices(): ReadonlySignal<Notice[]> {
    return this.#attendance.notices.list;
  }

  /** Writes to everybody, or to one. */
  say(text: string, to?: ParticipantId): void {
    const { me } = this.#attendance;
    const line = text.trim();
    if (!me || line === '') return;
    this.#chat.say(line, to ?? null, me, new Date(this.#options.environment.wallClock()).toISOString());
  }

  markRead(): void {
    this.#chat.markRead();
  }

  /** Takes back a wish that is still being fulfilled, rather than making it again. */
  toggleMicrophone(): Promise<void> {
    return this.local.setAudio(!this.local.wantsAudio.peek());
  }

  toggleCamera(): Promise<void> {
    return this.local.setVideo(!this.local.wantsVideo.peek());
  }

  /** Opens the microphone while a key is held, if it is closed. Letting go never opens it. */
  async talk(down: boolean): Promise<void> {
    const before = this.#talking;
    this.#talking = down && (before || !this.local.wantsAudio.peek());
    if (this.#talking !== before) await this.local.setAudio(down);
  }

  /** Gives up the seat. */
  leave(): void {
    this.#send({ type: 'leave' });
    this.#finish({ kind: 'left' });
  }

  /** Ends the meeting for everybody; hosts only. */
  async endForAll(): Promise<void> {
    await this.#options.meetings.end(this.#options.join.meeting.roomId);
  }

  /** Plays the others' sound. Call it from a click. */
  startAudio(): Promise<void> {
    return this.#sound.start();
  }

  /** Takes charge of an element that plays somebody's sound; gives the way to stop that. */
  registerAudio(element: SoundElement): () => void {
    return this.#sound.register(element);
  }

  /** Leaves, if that has not happened yet. */
  dispose(): void {
    this.leave();
  }

  readonly #handlers: Handlers = {
    welcome: (message) => this.#onWelcome(message),
    participantJoined: ({ participant }) => this.#attendance.came(participant),
    participantReturned: ({ participant }) => this.#attendance.came(participant),
    participantDisconnected: ({ participantId }) => this.#attendance.away(participantId),
    participantLeft: ({ participantId }) => this.#attendance.left(participantId),
    mediaChanged: ({ participantId, media }) => this.#attendance.switched(participantId, media),
    offer: ({ from, sdp }) => this.#attendance.mesh.receive(from, { type: 'offer', sdp }),
    answer: ({ from, sdp }) => this.#attendance.mesh.receive(from, { type: 'answer', sdp }),
    candidate: ({ from, candidate }) => this.#attendance.mesh.receive(from, { type: 'candidate', candidate }),
    chat: ({ message }) => this.#chat.receive(message),
    iceServers: ({ iceServers }) => this.#attendance.mesh.renewIceServers(iceServers),
    meetingEnded: ({ reason }) => this.#finish({ kind: 'ended', reason }),
    // The connection keeps to it; calls go on meanwhile.
    serverRestart: () => undefined,
    pong: () => undefined,
    error: ({ error, chatId }) => {
      // Negotiation that did not arrive is repeated when its receiver is back, and the rest shows in the close code.
      if (chatId) this.#chat.refused(chatId, error);
    },
  };

  #onWelcome(message: Welcome): void {
    this.#info.value = message.meeting;
    this.#seat.welcomed(message.resumeToken);
    try {
      this.#attendance.welcome(message);
    } catch {
      // Connections are refused by browsers whose WebRTC is switched off, and for relay addresses they can't read.
      this.#send({ type: 'leave' });
      return this.#fail('no_calls', 'This browser could not set up a call. Its WebRTC may be switched off.');
    }
    this.#chat.welcome(message.participantId, message.chat);
    this.#tellMedia(this.#media());
    this.#phase.value = { kind: 'inside' };
  }

  #onLost(): void {
    this.#attendance.offline();
    if (this.#phase.value.kind !== 'inside') return;
    this.#phase.value = { kind: 'reconnecting', since: this.#options.environment.wallClock() };
  }

  #onClosed(why: Exclude<FinalClose, 'joinAgain'>): void {
    switch (why) {
      case 'left':
        return this.#finish({ kind: 'left' });
      case 'over':
        return this.#finish({ kind: 'ended', reason: 'endedByHost' });
      case 'replaced':
        return this.#finish({ kind: 'replaced' });
      case 'full':
        return this.#fail('meeting_full', 'The meeting is full. Ask somebody to leave, or try again later.');
    }
  }

  get #over(): boolean {
    const { kind } = this.#phase.peek();
    return kind !== 'connecting' && kind !== 'inside' && kind !== 'reconnecting';
  }

  #fail(code: string, message: string): void {
    this.#finish({ kind: 'failed', error: { code, message } });
  }

  #finish(phase: RoomPhase): void {
    if (this.#over) return;
    this.#phase.value = phase;
    this.#chat.dispose();
    this.#stops.forEach((stop) => stop());
    this.#seat.close();
    this.#attendance.dispose();
    this.local.dispose();
  }

  #media(): MediaState {
    return { audio: this.local.audioOn.peek(), video: this.local.videoOn.peek(), screen: false };
  }

  /** What can't be told now is part of the next first message. */
  #tellMedia(media: MediaState): void {
    const told = this.#told;
    if (told && told.audio === media.audio && told.video === media.video) return;
    if (this.#send({ type: 'media', media })) this.#told = media;
  }

  #send(message: ClientMessage): boolean {
    return this.#seat.send(message);
  }
}
