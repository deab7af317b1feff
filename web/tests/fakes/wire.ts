import type { JoinReply } from '../../src/wire/JoinReply';
import type { Participant } from '../../src/wire/Participant';
import type { ParticipantId } from '../../src/wire/ParticipantId';
import type { RoomId } from '../../src/wire/RoomId';
import type { ServerMessage } from '../../src/wire/ServerMessage';

export type Welcome = Extract<ServerMessage, { type: 'welcome' }>;

export const ME = 'mmmm' as ParticipantId;
export const ADA = 'aaaa' as ParticipantId;
export const ZOE = 'zzzz' as ParticipantId;
export const ROOM = 'abcd-efgh-jkmn' as RoomId;

export function person(id: ParticipantId, name: string, change: Partial<Participant> = {}): Participant {
  const media = { audio: true, video: true, screen: false };
  return { id, name, role: 'participant', guest: false, connected: true, media, ...change };
}

export function welcome(change: Partial<Welcome> = {}): Welcome {
  return {
    type: 'welcome',
    protocol: 1,
    participantId: ME,
    resumeToken: 'resume-1',
    resumeWindowMs: 30_000,
    resumed: false,
    meeting: {
      roomId: ROOM,
      title: 'Standup',
      startedAt: '2026-01-01T09:00:00Z',
      settings: {
        maxParticipants: 6,
        isRecordingEnabled: false,
        isChatEnabled: true,
        isScreenShareEnabled: true,
        requireApproval: false,
        allowedDomains: [],
        guestsAllowed: true,
      },
    },
    participants: [person(ME, 'Me', { role: 'host' })],
    settlesInMs: 0,
    chat: [],
    iceServers: [],
    ...change,
  };
}

export function joinReply(change: Partial<JoinReply> = {}): JoinReply {
  return {
    success: true,
    participantId: ME,
    ticket: 'ticket-1',
    signalingUrl: 'wss://hearth.example/api/signaling',
    iceServers: [],
    meeting: { roomId: ROOM, title: 'Standup', hostName: 'Me', status: 'waiting', guestsAllowed: true },
    ...change,
  };
}
