import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeEnvironment } from '../../tests/fakes/FakeEnvironment';
import type { FakeSocket } from '../../tests/fakes/FakeSocket';
import { ADA, joinReply, ME, person, welcome, ZOE, type Welcome } from '../../tests/fakes/wire';
import { ApiClient } from '../api/client';
import { MeetingsApi } from '../api/meetings';
import { ServerApi } from '../api/server';
import type { ParticipantId } from '../wire/ParticipantId';
import { LocalMedia } from './localmedia';
import { Preferences } from './preferences';
import { Room } from './room';

let environment: FakeEnvironment;
let local: LocalMedia;
let room: Room;

beforeEach(async () => {
  vi.useFakeTimers();
  environment = new FakeEnvironment();
  local = new LocalMedia(environment, new Preferences(environment.remembered));
  await local.ask();
  room = create();
});

afterEach(() => {
  room.dispose();
  vi.useRealTimers();
});

function create(displayName = 'Me'): Room {
  const client = new ApiClient(environment.fetch);
  const [meetings, server] = [new MeetingsApi(client), new ServerApi(client)];
  return new Room({ environment, meetings, server, join: joinReply(), displayName, local });
}

const server = (): FakeSocket => environment.server.socket;
const phase = (): string => room.phase.value.kind;
const names = (): string[] => room.people.value.map(({ name, away }) => (away ? `${name} (away)` : name));

function enter(change: Partial<Welcome> = {}): void {
  server().accept();
  server().say(welcome(change));
}

const both = [person(ADA, 'Ada'), person(ME, 'Me', { role: 'host' })];

/** The socket is lost, and taken up again a second later. */
async function loseAndReturn(change: Partial<Welcome> = {}): Promise<void> {
  server().end(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  enter({ resumed: true, ...change });
}

describe('entering', () => {
  it('gives the ticket and what is switched on, then shows who is there, oneself first', () => {
    expect(phase()).toBe('connecting');
    enter({ participants: both });
    expect(server().url).toBe('wss://hearth.example/api/signaling');
    expect(server().sent[0]).toEqual({ type: 'join', ticket: 'ticket-1', media: { audio: true, video: true, screen: false } });
    expect(phase()).toBe('inside');
    expect(names()).toEqual(['Me', 'Ada']);
    expect(room.people.value[0]).toMatchObject({ self: true, host: true, media: { audio: true, video: true } });
    expect([room.isHost.value, room.info.value?.title]).toEqual([true, 'Standup']);
  });

  it('offers to whom it has to begin with, and sends its devices', async () => {
    enter({ participants: both });
    await vi.advanceTimersByTimeAsync(10);
    expect(server().ofType('offer').map(({ to }) => to)).toEqual([ADA]);
    const [connection] = environment.path.ends;
    expect(connection?.getTransceivers().map(({ sender }) => sender.track)).toEqual([local.tracks.value.audio, local.tracks.value.video]);
  });

  it('reloads once when the server speaks another protocol', () => {
    enter({ protocol: 2 });
    expect([environment.reloads, phase()]).toEqual([1, 'failed']);
    const again = create();
    enter({ protocol: 2 });
    expect([environment.reloads, again.phase.value.kind]).toEqual([1, 'failed']);
  });
});

describe('a meeting that is hard to reach', () => {
  async function fail(times: number): Promise<void> {
    for (let time = 0; time < times; time += 1) {
      server().end(1006);
      await vi.advanceTimersByTimeAsync(5_000);
    }
  }

  it('is said to be so after several attempts, which go on', async () => {
    await fail(2);
    expect([room.hardToReach.value, phase()]).toEqual([false, 'connecting']);
    await fail(1);
    expect([room.hardToReach.value, phase(), environment.server.sockets.length]).toEqual([true, 'connecting', 4]);
    enter();
    expect([room.hardToReach.value, phase()]).toEqual([false, 'inside']);
  });

  it('reloads the page when the server turns out to speak another protocol', async () => {
    environment.answer = (_method, path) => (path === '/api/server' ? { status: 200, body: { protocol: 2 } } : 'no answer');
    await fail(3);
    expect([environment.reloads, phase()]).toEqual([1, 'failed']);
  });

  it('is not reloaded for a server that speaks the same', async () => {
    environment.answer = () => ({ status: 200, body: { protocol: 1 } });
    await fail(3);
    expect([environment.reloads, phase()]).toEqual([0, 'connecting']);
  });

  it('fails with a sentence where the browser makes no connections, and gives the seat back', () => {
    environment.rtc.connection = () => {
      throw new DOMException('no', 'NotSupportedError');
    };
    enter({ participants: both });
    expect(room.phase.value).toMatchObject({ kind: 'failed', error: { code: 'no_calls' } });
    expect(server().sent.at(-1)).toEqual({ type: 'leave' });
  });
});

describe('the others', () => {
  it('come, lose the server, return, switch and leave', () => {
    enter();
    server().say({ type: 'participantJoined', participant: person(ADA, 'Ada') });
    server().say({ type: 'participantDisconnected', participantId: ADA });
    expect(names()).toEqual(['Me', 'Ada (away)']);
    server().say({ type: 'participantReturned', participant: person(ADA, 'Ada') });
    server().say({ type: 'mediaChanged', participantId: ADA, media: { audio: false, video: false, screen: false } });
    expect(room.people.value[1]?.media.audio).toBe(false);
    server().say({ type: 'participantLeft', participantId: ADA, reason: 'left' });
    expect(names()).toEqual(['Me']);
    expect(environment.path.ends).toEqual([]);
    expect(room.notices.value.map(({ kind, name }) => `${name} ${kind}`)).toEqual(['Ada joined', 'Ada away', 'Ada returned', 'Ada left']);
  });

  it('keep their connection while their socket is lost', () => {
    enter({ participants: both });
    const [connection] = environment.path.ends;
    server().say({ type: 'participantDisconnected', participantId: ADA });
    server().say({ type: 'participantReturned', participant: person(ADA, 'Ada') });
    expect(environment.path.ends).toEqual([connection]);
  });

  it('get the offer again that they missed while away', async () => {
    enter({ participants: both });
    await vi.advanceTimersByTimeAsync(10);
    server().say({ type: 'participantDisconnected', participantId: ADA });
    server().say({ type: 'participantReturned', participant: person(ADA, 'Ada') });
    await vi.advanceTimersByTimeAsync(10);
    const offers = server().ofType('offer').map(({ sdp }) => sdp.split('\n')[1]);
    expect(offers).toHaveLength(2);
    expect(offers[0]).toBe(offers[1]);
  });
});

describe('losing the server', () => {
  it('keeps connections, devices and people, and takes the seat back', async () => {
    enter({ participants: both });
    const [connection] = environment.path.ends;
    server().end(1006);
    expect(phase()).toBe('reconnecting');
    await vi.advanceTimersByTimeAsync(1_000);
    enter({ resumed: true, participants: both });
    expect(server().sent[0]).toEqual({ type: 'resume', resumeToken: 'resume-1', media: { audio: true, video: true, screen: false } });
    expect(phase()).toBe('inside');
    expect(names()).toEqual(['Me', 'Ada']);
    expect(environment.path.ends).toEqual([connection]);
    expect(environment.devices.live('video')).toHaveLength(1);
  });

  it('keeps those who are yet to come back after a restart of the server, and drops them when they do not', async () => {
    enter({ participants: [...both, person(ZOE, 'Zoe')] });
    await loseAndReturn({ participants: [person(ME, 'Me')], settlesInMs: 20_000 });
    expect(names()).toEqual(['Me', 'Ada (away)', 'Zoe (away)']);
    expect(environment.path.ends).toHaveLength(2);
    server().say({ type: 'participantReturned', participant: person(ADA, 'Ada') });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(names()).toEqual(['Me', 'Ada']);
    expect(environment.path.ends).toHaveLength(1);
  });

  it('has lost the relay as well when the server was started again, and looks for another way at once', async () => {
    enter({ participants: both });
    const [connection] = environment.path.ends;
    if (!connection) throw new Error('there is no connection');
    connection.relayed = true;
    const restarted = vi.spyOn(connection, 'restartIce');
    await loseAndReturn({ participants: both });
    // The first welcome is the one that brought the credentials in use: they are not old.
    expect(restarted).not.toHaveBeenCalled();
    await loseAndReturn({ participants: both, settlesInMs: 20_000 });
    await vi.advanceTimersByTimeAsync(10);
    expect(restarted).toHaveBeenCalledOnce();
  });

  it('drops those at once who left meanwhile', async () => {
    enter({ participants: both });
    await loseAndReturn({ participants: [person(ME, 'Me')] });
    expect(environment.path.ends).toEqual([]);
  });

  it('tells what was switched between hello and welcome', async () => {
    server().accept();
    await local.setAudio(false);
    expect(server().ofType('media')).toEqual([]);
    server().say(welcome());
    expect(server().ofType('media').map(({ media }) => media.audio)).toEqual([false]);
  });

  it('says again what was written meanwhile', async () => {
    enter();
    server().end(1006);
    room.say(' hello ');
    expect(room.chat.value).toMatchObject([{ text: 'hello', pending: true, mine: true }]);
    await vi.advanceTimersByTimeAsync(1_000);
    enter({ resumed: true });
    expect(server().ofType('chat')).toEqual([{ type: 'chat', id: 'id-1', to: null, text: 'hello' }]);
  });

  it('tries at once when the network is back', () => {
    enter();
    server().end(1006);
    environment.awake?.();
    expect(environment.server.sockets).toHaveLength(2);
  });

  it('takes a new seat when the old one is gone, once', async () => {
    const seat = 'qqqq' as ParticipantId;
    environment.answer = () => ({ status: 200, body: joinReply({ ticket: 'ticket-2', participantId: seat }) });
    enter({ participants: both });
    const [old] = environment.path.ends;
    server().end(4410);
    expect(phase()).toBe('reconnecting');
    await vi.advanceTimersByTimeAsync(10);
    expect(environment.requests.at(-1)).toMatchObject({ path: '/api/meetings/join', body: { displayName: 'Me' } });
    enter({ participantId: seat, participants: [person(ADA, 'Ada'), person(seat, 'Me')] });
    expect(server().sent[0]).toMatchObject({ type: 'join', ticket: 'ticket-2' });
    expect(names()).toEqual(['Me', 'Ada']);
    expect(environment.path.ends).toHaveLength(1);
    expect(environment.path.ends).not.toContain(old);
    server().end(4401);
    await vi.advanceTimersByTimeAsync(10);
    server().end(4401);
    expect(room.phase.value).toMatchObject({ kind: 'failed', error: { code: 'seat_gone' } });
  });

  it('tries on with the new seat while the server gives no answer, and stops at one that refuses', async () => {
    enter();
    server().end(4410);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(phase()).toBe('reconnecting');
    environment.answer = () => ({ status: 403, body: { error: { code: 'guests_not_allowed', message: 'Sign in to join.' } } });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(room.phase.value).toEqual({ kind: 'failed', error: { code: 'guests_not_allowed', message: 'Sign in to join.' } });
  });
});

describe('taking a new seat', () => {
  it.each([429, 500, 503])('tries on after status %i, and not before the server wants it', async (status) => {
    const error = { code: 'later', message: 'Later.', retryAfterSeconds: 20 };
    environment.answer = () => ({ status, body: { error } });
    enter();
    server().end(4410);
    await vi.advanceTimersByTimeAsync(19_000);
    expect([phase(), environment.requests.length]).toEqual(['reconnecting', 1]);
    environment.answer = () => ({ status: 200, body: joinReply({ ticket: 'ticket-2' }) });
    await vi.advanceTimersByTimeAsync(2_000);
    enter();
    expect([phase(), server().sent[0]]).toMatchObject(['inside', { type: 'join', ticket: 'ticket-2' }]);
  });
});

describe('talking while a key is held', () => {
  it('opens a muted microphone and closes it again', async () => {
    await local.setAudio(false);
    await room.talk(true);
    expect(local.audioOn.value).toBe(true);
    await room.talk(false);
    expect(local.audioOn.value).toBe(false);
  });

  it('leaves a microphone alone that was open', async () => {
    await room.talk(true);
    await room.talk(false);
    expect(local.audioOn.value).toBe(true);
  });

  it('never opens it by letting go, also when it was muted meanwhile', async () => {
    await local.setAudio(false);
    await room.talk(true);
    await room.toggleMicrophone();
    expect(local.audioOn.value).toBe(false);
    await room.talk(false);
    expect(local.audioOn.value).toBe(false);
  });

  it('leaves it closed when the key came up before the browser allowed it', async () => {
    local.dispose();
    local = new LocalMedia(environment, new Preferences(environment.remembered));
    room.dispose();
    room = create();
    const asking = room.talk(true);
    const done = room.talk(false);
    await Promise.all([asking, done]);
    await vi.advanceTimersByTimeAsync(10);
    expect([local.audioOn.value, environment.devices.live('audio').every(({ enabled }) => !enabled)]).toEqual([false, true]);
  });
});

describe('switching', () => {
  it('takes back a wish that is still being fulfilled', async () => {
    await local.setVideo(false);
    const first = room.toggleCamera();
    const second = room.toggleCamera();
    await Promise.all([first, second]);
    await vi.advanceTimersByTimeAsync(10);
    expect([local.videoOn.value, environment.devices.live('video')]).toEqual([false, []]);
  });

  it('is told to the others once per change, and asks for no negotiation', async () => {
    enter({ participants: both });
    await vi.advanceTimersByTimeAsync(10);
    const offers = server().ofType('offer').length;
    await room.toggleMicrophone();
    await room.toggleCamera();
    await room.toggleCamera();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server().ofType('media').map(({ media }) => [media.audio, media.video])).toEqual([[false, true], [false, false], [false, true]]);
    expect(server().ofType('offer')).toHaveLength(offers);
  });
});

describe('the end', () => {
  const live = (): number => environment.devices.live('audio').length + environment.devices.live('video').length;

  it('comes by leaving: the seat is given up, connections and devices are released', () => {
    enter({ participants: both });
    room.leave();
    expect(server().sent.at(-1)).toEqual({ type: 'leave' });
    expect([phase(), server().closedWith, environment.path.ends.length, live()]).toEqual(['left', 1000, 0, 0]);
    expect([environment.awake, environment.gone]).toEqual([null, null]);
  });

  it.each([
    [4404, 'ended'],
    [4409, 'replaced'],
    [4429, 'failed'],
    [1000, 'left'],
  ])('comes with close code %i', async (code, kind) => {
    enter({ participants: both });
    server().end(code);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([phase(), environment.server.sockets.length, environment.path.ends.length, live()]).toEqual([kind, 1, 0, 0]);
  });

  it('comes when the host ends the meeting, and says why', () => {
    enter();
    server().say({ type: 'meetingEnded', reason: 'deleted' });
    server().end(4404);
    expect(room.phase.value).toEqual({ kind: 'ended', reason: 'deleted' });
  });

  it('gives up the seat when the page goes', () => {
    enter();
    environment.gone?.();
    expect(server().sent.at(-1)).toEqual({ type: 'leave' });
  });

  it('is final', async () => {
    enter();
    room.leave();
    server().say({ type: 'meetingEnded', reason: 'deleted' });
    server().end(4409);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([phase(), environment.server.sockets.length]).toEqual(['left', 1]);
  });
});

describe('chat', () => {
  it('goes to everybody or to one, and shows why a line was refused', () => {
    enter({ participants: both });
    room.say('to all');
    room.say('to Ada', ADA);
    room.say('   ');
    expect(server().ofType('chat').map(({ to, text }) => [to, text])).toEqual([[null, 'to all'], [ADA, 'to Ada']]);
    server().say({ type: 'error', error: { code: 'chat_disabled', message: 'Chat is switched off.' }, chatId: 'id-1' });
    expect(room.chat.value.map(({ failed, pending }) => [failed, pending])).toEqual([['Chat is switched off.', false], [undefined, true]]);
  });
});
