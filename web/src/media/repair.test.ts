import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeIceTransport } from '../../tests/fakes/FakePeerConnection';
import { IMPOLITE, PeerPair, POLITE } from '../../tests/fakes/PeerPair';

let pair: PeerPair;

beforeEach(async () => {
  vi.useFakeTimers();
  pair = new PeerPair();
  await pair.pass(200);
  expect(links()).toEqual(['connected', 'connected']);
  pair.sent.length = 0;
});

afterEach(() => {
  pair.dispose();
  vi.useRealTimers();
});

function links(): string[] {
  return [pair.polite.link.value, pair.impolite.link.value];
}

describe('repair', () => {
  it('says nothing and does nothing about a short gap', async () => {
    pair.path.up = false;
    await pair.pass(2_000);
    expect(links()).toEqual(['connected', 'connected']);
    pair.path.up = true;
    await pair.pass(30_000);
    expect(pair.sent).toEqual([]);
  });

  it('restarts ICE from the impolite side after a longer gap', async () => {
    pair.path.up = false;
    await pair.pass(2_600);
    expect(links()).toEqual(['reconnecting', 'reconnecting']);
    await pair.pass(2_000);
    expect([pair.count('offer', IMPOLITE), pair.count('offer', POLITE)]).toEqual([1, 0]);
    pair.path.up = true;
    await pair.pass(500);
    expect(links()).toEqual(['connected', 'connected']);
  });

  it('restarts at once when ICE has failed', async () => {
    pair.path.up = false;
    pair.impoliteEnd.fail();
    await pair.pass(1);
    expect(pair.count('offer', IMPOLITE)).toBe(1);
  });

  it('leaves it to the polite side when the impolite one does nothing', async () => {
    pair.path.up = false;
    pair.impolite.reachable(false);
    await pair.pass(7_000);
    expect([pair.count('offer', IMPOLITE), pair.count('offer', POLITE)]).toEqual([0, 1]);
  });

  it('tries on for as long as it takes, less and less often, and says that it failed meanwhile', async () => {
    pair.path.up = false;
    for (const end of pair.path.ends) end.fail();
    await pair.pass(70_000);
    expect(pair.impolite.link.value).toBe('failed');
    const early = pair.count('offer', IMPOLITE);
    expect(early).toBeGreaterThanOrEqual(4);
    await pair.pass(300_000);
    const late = pair.count('offer', IMPOLITE) - early;
    expect(late).toBeGreaterThanOrEqual(9);
    expect(late).toBeLessThanOrEqual(12);
    pair.path.up = true;
    await pair.pass(35_000);
    expect(links()).toEqual(['connected', 'connected']);
  });

  it('tells once that it stands, however often it breaks afterwards', async () => {
    for (const up of [false, true, false, true]) {
      pair.path.up = up;
      await pair.pass(70_000);
    }
    expect(pair.outcomes.sort()).toEqual([`${POLITE}: connected`, `${IMPOLITE}: connected`]);
  });

  it('tells once that it failed, and that it stands when it does after all', async () => {
    pair.dispose();
    pair = new PeerPair();
    pair.path.up = false;
    for (const end of pair.path.ends) end.fail();
    await pair.pass(300_000);
    expect(pair.outcomes.sort()).toEqual([`${POLITE}: failed`, `${IMPOLITE}: failed`]);
    pair.path.up = true;
    await pair.pass(70_000);
    expect(pair.outcomes.slice(2).sort()).toEqual([`${POLITE}: connected`, `${IMPOLITE}: connected`]);
  });

  it('uses new ICE servers from the next generation on', async () => {
    pair.polite.useIceServers([{ urls: ['turn:relay.example'], username: 'u', credential: 'c' }]);
    expect(pair.politeEnd.configuration.iceServers).toEqual([{ urls: ['turn:relay.example'], username: 'u', credential: 'c' }]);
  });

  it('moves to another relay with one restart where both sides have reason to', async () => {
    pair.politeEnd.relayed = true;
    pair.impoliteEnd.relayed = true;
    for (const side of [pair.polite, pair.impolite]) side.renewRelay('own');
    await pair.pass(10_000);
    expect([pair.count('offer', IMPOLITE), pair.count('offer', POLITE)]).toEqual([1, 0]);
  });

  it('moves to another relay from the polite side, a little later, where that one alone is relayed', async () => {
    pair.politeEnd.relayed = true;
    for (const side of [pair.polite, pair.impolite]) side.renewRelay('own');
    await pair.pass(3_900);
    expect(pair.sent).toEqual([]);
    await pair.pass(200);
    expect([pair.count('offer', IMPOLITE), pair.count('offer', POLITE)]).toEqual([0, 1]);
  });

  it('moves to another relay at once where all are gone, whoever of the two was relayed', async () => {
    pair.politeEnd.relayed = true;
    pair.impoliteEnd.relayedThere = true;
    for (const side of [pair.polite, pair.impolite]) side.renewRelay('either');
    await pair.pass(100);
    expect([pair.count('offer', IMPOLITE), pair.count('offer', POLITE)]).toEqual([1, 0]);
    await pair.pass(10_000);
    expect([pair.count('offer', IMPOLITE), pair.count('offer', POLITE)]).toEqual([1, 0]);
  });

  it('leaves a connection without any relay alone when all relays are gone', async () => {
    for (const side of [pair.polite, pair.impolite]) side.renewRelay('either');
    await pair.pass(10_000);
    expect(pair.sent).toEqual([]);
  });

  it('sends a whole picture when media take another way, and not for the first one', async () => {
    const lanes = [pair.politeEnd, pair.impoliteEnd].flatMap((end) => end.getTransceivers());
    const pictures = lanes.filter(({ kind }) => kind === 'video');
    for (const lane of lanes) lane.iceTransport.takeAnotherWay();
    expect(pictures.map(({ wholePictures }) => wholePictures)).toEqual([0, 0]);
    for (const lane of lanes) lane.iceTransport.takeAnotherWay();
    await pair.pass(1);
    expect(lanes.map(({ kind, wholePictures }) => [kind, wholePictures])).toEqual(lanes.map(({ kind }) => [kind, kind === 'video' ? 1 : 0]));
    expect(pictures).toHaveLength(2);
  });

  it('goes on through a restart in browsers that do not tell the way of media', async () => {
    pair.dispose();
    FakeIceTransport.tells = false;
    try {
      pair = new PeerPair();
      await pair.pass(200);
      expect(links()).toEqual(['connected', 'connected']);
      pair.path.up = false;
      await pair.pass(4_600);
      pair.path.up = true;
      await pair.pass(10_000);
      expect(links()).toEqual(['connected', 'connected']);
      expect(pair.count('offer', IMPOLITE), 'a restart lies in between').toBe(2);
      const lanes = [pair.politeEnd, pair.impoliteEnd].flatMap((end) => end.getTransceivers());
      expect(lanes.map(({ iceTransport }) => iceTransport.onselectedcandidatepairchange)).toEqual(lanes.map(() => null));
    } finally {
      FakeIceTransport.tells = true;
    }
  });

  it('does nothing more once it is closed', async () => {
    pair.polite.dispose();
    pair.polite.receive({ type: 'offer', sdp: 'whatever' });
    await pair.pass(60_000);
    expect(pair.count('answer', POLITE) + pair.count('offer', POLITE)).toBe(0);
  });
});
