import { computed, effect, signal, type ReadonlySignal } from '@preact/signals';
import { ApiError } from '../api/error';
import type { MeetingsApi } from '../api/meetings';
import { Connection, type FinalClose } from '../signaling/connection';
import { dispatch, type Handlers } from '../signaling/protocol';
import { ReconnectPolicy } from '../signaling/reconnect';
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
import { speaksOurProtocol } from './reload';
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
  readonly #policy: ReconnectPolicy;
  readonly #attendance: Attendance;
  readonly #chat: Chat;
  readonly #stops: (() => void)[];
  #connection: Connection;
  #hello: { readonly type: 'join'; readonly ticket: string } | { readonly type: 'resume'; readonly resumeToken: string };
  #told: MediaState | null = null;
  #rejoining = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /** The microphone and the camera. */
  readonly local: LocalMedia;
  readonly isHost = computed(() => this.people.value.some((person) => person.self && person.host));

  constructor(options: RoomOptions) {
    const { environment, join, local } = options;
    this.#options = options;
    this.local = local;
    this.#policy = new ReconnectPolicy(() => environment.random());
    this.#hello = { type: 'join', ticket: join.ticket };
    this.#chat = new Chat(environment.newId, ({ id, to, text }) => this.#send({ type: 'chat', id, to, text }));
    this.#attendance = new Attendance({ environment, local, send: (to, negotiation) => this.#send({ ...negotiation, to }) });
    this.#connection = this.#connect(join);
    this.#stops = [
      effect(() => this.#attendance.mesh.send(local.tracks.value)),
      effect(() => this.#tellMedia({ audio: local.audioOn.value, video: local.videoOn.value, screen: false })),
      effect(() => this.#sound.useSpeaker(local.speakerId.value)),
      environment.onAwake(() => this.#connection.hurry()),
      environment.onGone(() => this.#send({ type: 'leave' })),
    ];
  }

  get phase(): ReadonlySignal<RoomPhase> {
    return this.#phase;
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

  toggleMicrophone(): Promise<void> {
    return this.local.setAudio(!this.local.audioOn.value);
  }

  toggleCamera(): Promise<void> {
    return this.local.setVideo(!this.local.videoOn.value);
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

  #connect({ signalingUrl }: JoinReply): Connection {
    const { environment } = this.#options;
    const url = new URL(signalingUrl, environment.origin);
    url.protocol = url.protocol.replace('http', 'ws');
    return new Connection({
      url: url.href,
      open: environment.openSocket,
      policy: this.#policy,
      now: () => environment.monotonic(),
      hello: () => ({ ...this.#hello, media: (this.#told = this.#media()) }),
      received: (message) => dispatch(message, this.#handlers),
      lost: () => this.#onLost(),
      closed: (why) => this.#onClosed(why),
    });
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
      if (chatId) this.#chat.refused(chatId, error.message);
    },
  };

  #onWelcome(message: Welcome): void {
    if (!speaksOurProtocol(message.protocol, this.#options.environment)) {
      return this.#fail('protocol_mismatch', 'This page is older or newer than the server. Reload it.');
    }
    this.#info.value = message.meeting;
    this.#hello = { type: 'resume', resumeToken: message.resumeToken };
    this.#rejoining = false;
    this.#attendance.welcome(message);
    this.#chat.welcome(message.chat);
    this.#tellMedia(this.#media());
    this.#phase.value = { kind: 'inside' };
  }

  #onLost(): void {
    this.#attendance.offline();
    if (this.#phase.value.kind !== 'inside') return;
    this.#phase.value = { kind: 'reconnecting', since: this.#options.environment.wallClock() };
  }

  #onClosed(why: FinalClose): void {
    switch (why) {
      case 'left':
        return this.#finish({ kind: 'left' });
      case 'over':
        return this.#finish({ kind: 'ended', reason: 'endedByHost' });
      case 'replaced':
        return this.#finish({ kind: 'replaced' });
      case 'full':
        return this.#fail('meeting_full', 'The meeting is full. Ask somebody to leave, or try again later.');
      case 'joinAgain':
        this.#onLost();
        if (this.#rejoining) return this.#fail('seat_gone', 'Your seat in the meeting was lost. Join again.');
        this.#rejoining = true;
        return void this.#joinAgain();
    }
  }

  /** The seat is gone, for instance after a night's sleep: take a new one as the same person. */
  async #joinAgain(): Promise<void> {
    const { environment, meetings, join, displayName } = this.#options;
    const { roomId } = join.meeting;
    try {
      const reply = await meetings.join(displayName ? { roomId, displayName } : { roomId });
      if (this.#over) return;
      this.#hello = { type: 'join', ticket: reply.ticket };
      this.#connection = this.#connect(reply);
    } catch (error) {
      if (this.#over) return;
      const { code, message } = ApiError.from(error);
      if (code === 'meeting_ended') return this.#finish({ kind: 'ended', reason: 'endedByHost' });
      if (code !== 'network') return this.#fail(code, message);
      this.#retry = setTimeout(() => void this.#joinAgain(), this.#policy.nextDelay(environment.monotonic()));
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
    clearTimeout(this.#retry);
    this.#stops.forEach((stop) => stop());
    this.#connection.close();
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
    return this.#connection.send(message);
  }
}
