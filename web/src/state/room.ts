import type { ReadonlySignal } from '@preact/signals';
import type { PeerLink } from '../media/types';
import type { ChatMessage } from '../wire/ChatMessage';
import type { EndReason } from '../wire/EndReason';
import type { MediaState } from '../wire/MediaState';
import type { ParticipantId } from '../wire/ParticipantId';
import type { RoomInfo } from '../wire/RoomInfo';
import type { LocalMedia } from './localmedia';

export type { PeerLink } from '../media/types';

export type RoomPhase =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'inside' }
  | { readonly kind: 'reconnecting'; readonly since: number }
  | { readonly kind: 'left' }
  | { readonly kind: 'ended'; readonly reason: EndReason }
  | { readonly kind: 'replaced' }
  | { readonly kind: 'failed'; readonly error: { readonly code: string; readonly message: string } };

export interface PersonView {
  readonly id: ParticipantId;
  readonly name: string;
  readonly self: boolean;
  readonly host: boolean;
  readonly guest: boolean;
  readonly away: boolean;
  readonly link: ReadonlySignal<PeerLink>;
  readonly media: MediaState;
  readonly stream: ReadonlySignal<MediaStream | null>;
  readonly speaking: ReadonlySignal<boolean>;
}

export type ChatLine = ChatMessage & { readonly mine: boolean; readonly pending: boolean; readonly failed?: string };

export interface Notice {
  readonly id: number;
  readonly kind: 'joined' | 'left' | 'away' | 'returned';
  readonly name: string;
}

export declare class Room {
  readonly phase: ReadonlySignal<RoomPhase>;
  readonly info: ReadonlySignal<RoomInfo | null>;
  readonly people: ReadonlySignal<PersonView[]>;
  readonly chat: ReadonlySignal<ChatLine[]>;
  readonly unread: ReadonlySignal<number>;
  readonly local: LocalMedia;
  readonly isHost: ReadonlySignal<boolean>;
  readonly audioBlocked: ReadonlySignal<boolean>;
  readonly notices: ReadonlySignal<Notice[]>;
  say(text: string, to?: ParticipantId): void;
  markRead(): void;
  toggleMicrophone(): Promise<void>;
  toggleCamera(): Promise<void>;
  leave(): void;
  endForAll(): Promise<void>;
  startAudio(): Promise<void>;
  /** Each audio element for the others' sound reports itself: play() that was refused shows up in `audioBlocked`. */
  registerAudio(element: HTMLMediaElement): () => void;
  dispose(): void;
}
