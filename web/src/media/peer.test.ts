import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IMPOLITE, PeerPair, POLITE, type Fate, type Sent } from '../../tests/fakes/PeerPair';
import type { LocalTracks } from './rtc';

let pair: PeerPair;

beforeEach(() => {
  vi.useFakeTimers();
  pair = new PeerPair();
});

afterEach(() => {
  pair.dispose();
  vi.useRealTimers();
});

/** A pair whose messages have this fate from the first one on. */
function startOver(fate: (message: Sent) => Fate, tracks?: LocalTracks): void {
  pair.dispose();
  pair = new PeerPair(fate, tracks);
}

function links(): string[] {
  return [pair.polite.link.value, pair.impolite.link.value];
}

async function connect(): Promise<void> {
  await pair.pass(200);
  expect(links()).toEqual(['connected', 'connected']);
  pair.sent.length = 0;
}

/** The server is gone: whatever is sent is lost. */
function cutSignaling(): void {
  pair.fate = () => 'lost';
  pair.polite.reachable(false);
  pair.impolite.reachable(false);
}

function restoreSignaling(): void {
  pair.fate = () => 10;
  pair.polite.reachable(true);
  pair.impolite.reachable(true);
}

describe('negotiation', () => {
  it('connects with one offer and one answer, and both hear and see each other', async () => {
    await pair.pass(200);
    expect(links()).toEqual(['connected', 'connected']);
    expect([pair.count('offer'), pair.count('answer')]).toEqual([1, 1]);
    for (const peer of [pair.polite, pair.impolite]) {
      expect(peer.stream.value?.getTracks().map(({ kind }) => kind).sort()).toEqual(['audio', 'video']);
    }
    for (const end of pair.path.ends) expect(end.getTransceivers().map(({ direction }) => direction)).toEqual(['sendrecv', 'sendrecv']);
  });

  it('lets the polite side begin when nothing has come', async () => {
    startOver(({ from }) => (from === IMPOLITE ? 'lost' : 10));
    await pair.pass(1_900);
    expect(pair.count('offer', POLITE)).toBe(0);
    pair.fate = () => 10;
    await pair.pass(500);
    expect(pair.count('offer', POLITE)).toBe(1);
    expect(links()).toEqual(['connected', 'connected']);
  });

  it('survives a collision of first offers: the impolite one wins and no lane is left over', async () => {
    startOver(({ from, negotiation }) => (from === IMPOLITE && negotiation.type === 'offer' ? 2_050 : 100));
    await pair.pass(2_020);
    expect([pair.politeEnd.signalingState, pair.impoliteEnd.signalingState]).toEqual(['have-local-offer', 'have-local-offer']);
    await pair.pass(1_000);
    expect(links()).toEqual(['connected', 'connected']);
    for (const end of pair.path.ends) {
      expect(end.signalingState).toBe('stable');
      expect(end.getTransceivers().map(({ kind, mid }) => [kind, mid])).toEqual([['audio', '0'], ['video', '1']]);
    }
  });

  it('survives a collision of restarts, whoever is first', async () => {
    for (const slow of [POLITE, IMPOLITE]) {
      await connect();
      pair.fate = ({ from }) => (from === slow ? 300 : 20);
      pair.politeEnd.restartIce();
      pair.impoliteEnd.restartIce();
      await pair.pass(3_000);
      expect(links()).toEqual(['connected', 'connected']);
      expect([pair.politeEnd.signalingState, pair.impoliteEnd.signalingState]).toEqual(['stable', 'stable']);
      pair.fate = () => 10;
    }
  });

  it('keeps candidates that arrive before their description', async () => {
    startOver(({ negotiation }) => (negotiation.type === 'candidate' ? 1 : 400));
    await pair.pass(1_500);
    expect(links()).toEqual(['connected', 'connected']);
    expect(pair.politeEnd.added).toHaveLength(1);
  });

  it('keeps candidates of a restart that arrive before its description', async () => {
    await connect();
    pair.fate = ({ negotiation }) => (negotiation.type === 'candidate' ? 1 : 400);
    pair.impoliteEnd.restartIce();
    await pair.pass(50);
    expect(pair.politeEnd.added).toHaveLength(1);
    await pair.pass(1_500);
    expect([pair.politeEnd.added.length, pair.impoliteEnd.added.length]).toEqual([2, 2]);
    expect(links()).toEqual(['connected', 'connected']);
  });

  it('connects over a wire that mixes up the order of everything', async () => {
    let seed = 7;
    startOver(() => (seed = (seed * 48_271) % 2_147_483_647) % 700);
    await pair.pass(20_000);
    expect(links()).toEqual(['connected', 'connected']);
  });

  it('connects in the end over a wire that loses a third of everything', async () => {
    let seed = 11;
    startOver(() => ((seed = (seed * 48_271) % 2_147_483_647) % 3 === 0 ? 'lost' : 30));
    await pair.pass(180_000);
    expect(links()).toEqual(['connected', 'connected']);
  });

  it('lets nothing that a peer sends stop what comes after it', async () => {
    pair.polite.receive({ type: 'answer', sdp: 'nonsense' });
    pair.polite.receive({ type: 'candidate', candidate: { candidate: 'nonsense', usernameFragment: null } });
    await connect();
  });
});

describe('switching', () => {
  it('replaces tracks without a negotiation', async () => {
    await connect();
    const camera = { kind: 'video' } as MediaStreamTrack;
    pair.impolite.send({ audio: null, video: camera });
    pair.impolite.send({ audio: null, video: null });
    pair.impolite.send({ audio: null, video: camera });
    await pair.pass(5_000);
    expect(pair.impoliteEnd.getTransceivers().map(({ sender }) => sender.track)).toEqual([null, camera]);
    expect(pair.sent).toEqual([]);
  });

  it('sends nothing in the end when it was switched on and off again in quick succession', async () => {
    await connect();
    const camera = { kind: 'video' } as MediaStreamTrack;
    pair.impolite.send({ audio: null, video: camera });
    pair.impolite.send({ audio: null, video: null });
    await pair.pass(100);
    expect(pair.impoliteEnd.getTransceivers().map(({ sender }) => sender.track)).toEqual([null, null]);
  });

  it('sends what was chosen before the connection stood, on either side', async () => {
    const tracks = { audio: { kind: 'audio' } as MediaStreamTrack, video: null };
    startOver(() => 10, tracks);
    await connect();
    for (const end of pair.path.ends) expect(end.getTransceivers()[0]?.sender.track).toBe(tracks.audio);
  });

  it('limits the picture by the number of peers', async () => {
    await connect();
    pair.polite.shareWith(5);
    await pair.pass(10);
    expect(pair.politeEnd.getTransceivers()[1]?.sender.getParameters().encodings[0]?.maxBitrate).toBe(250_000);
    expect(pair.sent).toEqual([]);
  });
});

describe('while the server is away', () => {
  it('leaves a connection that stands alone, during and after', async () => {
    await connect();
    cutSignaling();
    await pair.pass(60_000);
    expect(links()).toEqual(['connected', 'connected']);
    restoreSignaling();
    pair.polite.recover();
    pair.impolite.recover();
    await pair.pass(30_000);
    expect(pair.sent).toEqual([]);
    expect([pair.politeEnd.made, pair.impoliteEnd.made]).toEqual([{ offers: 0, answers: 1 }, { offers: 1, answers: 0 }]);
  });

  it('repeats an offer that was lost', async () => {
    startOver(() => 'lost');
    cutSignaling();
    await pair.pass(1_000);
    expect(pair.impoliteEnd.signalingState).toBe('have-local-offer');
    restoreSignaling();
    pair.impolite.recover();
    pair.polite.recover();
    await pair.pass(500);
    expect(links()).toEqual(['connected', 'connected']);
    expect(pair.impoliteEnd.made.offers).toBe(1);
  });

  it('repeats a restart that was lost, also where the connection stands again meanwhile', async () => {
    await connect();
    pair.path.up = false;
    pair.fate = () => 'lost';
    await pair.pass(4_000);
    expect(pair.impoliteEnd.signalingState).toBe('have-local-offer');
    cutSignaling();
    pair.path.up = true;
    expect(links()).toEqual(['connected', 'connected']);
    restoreSignaling();
    pair.impolite.recover();
    pair.polite.recover();
    await pair.pass(500);
    expect([pair.politeEnd.signalingState, pair.impoliteEnd.signalingState]).toEqual(['stable', 'stable']);
    expect(links()).toEqual(['connected', 'connected']);
  });

  it('gets another answer when the first was lost', async () => {
    startOver(({ from }) => (from === POLITE ? 'lost' : 10));
    await pair.pass(500);
    expect([pair.politeEnd.signalingState, pair.impoliteEnd.signalingState]).toEqual(['stable', 'have-local-offer']);
    pair.fate = () => 10;
    pair.impolite.recover();
    pair.polite.recover();
    await pair.pass(1_000);
    expect(links()).toEqual(['connected', 'connected']);
    expect(pair.count('answer', POLITE)).toBe(2);
  });

  it('ignores the second answer to a repeated offer', async () => {
    pair.impolite.recover();
    await pair.pass(1);
    pair.impolite.recover();
    await pair.pass(500);
    expect(pair.count('answer', POLITE)).toBeGreaterThan(1);
    expect(links()).toEqual(['connected', 'connected']);
    expect(pair.impoliteEnd.signalingState).toBe('stable');
  });

  it('does not take a late answer for the answer to a restart', async () => {
    await connect();
    const answer = pair.politeEnd.localDescription?.sdp ?? '';
    pair.fate = () => 200;
    pair.impoliteEnd.restartIce();
    await pair.pass(50);
    expect(pair.impoliteEnd.signalingState).toBe('have-local-offer');
    pair.impolite.receive({ type: 'answer', sdp: answer });
    await pair.pass(50);
    expect(pair.impoliteEnd.signalingState).toBe('have-local-offer');
    await pair.pass(1_000);
    expect(links()).toEqual(['connected', 'connected']);
  });

  it('waits with a restart until the other can be reached, then restarts at once', async () => {
    await connect();
    cutSignaling();
    pair.path.up = false;
    await pair.pass(30_000);
    expect(pair.sent).toEqual([]);
    expect(links()).toEqual(['reconnecting', 'reconnecting']);
    for (const end of pair.path.ends) end.fail();
    pair.path.up = true;
    restoreSignaling();
    pair.polite.recover();
    pair.impolite.recover();
    await pair.pass(500);
    expect(links()).toEqual(['connected', 'connected']);
    expect([pair.count('offer', IMPOLITE), pair.count('offer', POLITE)]).toEqual([1, 0]);
  });
});

describe('somebody whose seat had timed out', () => {
  it.each([
    [POLITE, 'late'],
    [IMPOLITE, 'late'],
    [POLITE, 'at once'],
    [IMPOLITE, 'at once'],
  ])('meets the new connection of %s, whose old one is gone: the one kept is given up %s', async (renewed, when) => {
    await connect();
    cutSignaling();
    pair.path.up = false;
    for (const end of pair.path.ends) end.fail();
    await pair.pass(5_000);
    pair.replace(renewed);
    pair.path.up = true;
    restoreSignaling();
    const [kept] = renewed === POLITE ? [pair.impolite] : [pair.polite];
    if (when === 'late') await pair.pass(3_000);
    kept.recover();
    await pair.pass(5_000);
    expect(links()).toEqual(['connected', 'connected']);
    for (const end of pair.path.ends) {
      expect([end.signalingState, end.connectionState]).toEqual(['stable', 'connected']);
      expect(end.getTransceivers()).toHaveLength(2);
    }
  });

  it('meets new connections even where the kept one still seems to stand', async () => {
    await connect();
    pair.replace(IMPOLITE);
    await pair.pass(5_000);
    expect(links()).toEqual(['connected', 'connected']);
  });
});

describe('what fails', () => {
  it('leaves no offer half taken: the next one is answered', async () => {
    await connect();
    pair.impoliteEnd.failsToAnswer = true;
    pair.politeEnd.restartIce();
    await pair.pass(500);
    expect(pair.impoliteEnd.signalingState).toBe('stable');
    pair.polite.recover();
    await pair.pass(500);
    expect([pair.politeEnd.signalingState, ...links()]).toEqual(['stable', 'connected', 'connected']);
  });

  it('is repaired soon after a long outage, whatever pauses had grown to before', async () => {
    await connect();
    pair.path.up = false;
    for (const end of pair.path.ends) end.fail();
    pair.fate = () => 'lost';
    await pair.pass(290_000);
    expect(pair.impoliteEnd.signalingState).toBe('have-local-offer');
    pair.impolite.recover();
    pair.fate = () => 10;
    const before = pair.count('offer', IMPOLITE);
    await pair.pass(5_500);
    expect(pair.count('offer', IMPOLITE)).toBe(before + 1);
    await pair.pass(5_000);
    pair.path.up = true;
    await pair.pass(1_000);
    expect(links()).toEqual(['connected', 'connected']);
  });
});
