import { describe, expect, it } from 'vitest';
import { failure } from '../../tests/fakes/FakeDevices';
import { Sound, type SoundElement } from './sound';

class FakeElement {
  plays = 0;
  sink: string | null = null;
  error: Error | null = null;
  readonly listeners = new Set<() => void>();

  async play(): Promise<void> {
    if (this.error) throw this.error;
    this.plays += 1;
  }
  async setSinkId(id: string): Promise<void> {
    this.sink = id;
  }
  addEventListener(_type: string, listener: () => void): void {
    this.listeners.add(listener);
  }
  removeEventListener(_type: string, listener: () => void): void {
    this.listeners.delete(listener);
  }
  async load(): Promise<void> {
    this.listeners.forEach((listener) => listener());
    await Promise.resolve();
  }
}

const asElement = (element: FakeElement): SoundElement => element as unknown as SoundElement;

describe('sound', () => {
  it('plays when something to play has come, through the chosen speaker', async () => {
    const [sound, element] = [new Sound(), new FakeElement()];
    sound.useSpeaker('loud');
    sound.register(asElement(element));
    await element.load();
    sound.useSpeaker('louder');
    expect([element.plays, element.sink, sound.blocked.value]).toEqual([1, 'louder', false]);
  });

  it('knows when the browser wants a click first, and plays after it', async () => {
    const [sound, element] = [new Sound(), new FakeElement()];
    sound.register(asElement(element));
    element.error = failure('NotAllowedError');
    await element.load();
    await Promise.resolve();
    expect(sound.blocked.value).toBe(true);
    element.error = null;
    await sound.start();
    expect([element.plays, sound.blocked.value]).toEqual([1, false]);
  });

  it('does not take an interrupted start for a refusal', async () => {
    const [sound, element] = [new Sound(), new FakeElement()];
    sound.register(asElement(element));
    element.error = failure('AbortError');
    await sound.start();
    expect(sound.blocked.value).toBe(false);
  });

  it('lets go of an element', async () => {
    const [sound, element] = [new Sound(), new FakeElement()];
    sound.register(asElement(element))();
    await sound.start();
    expect([element.plays, element.listeners.size]).toEqual([0, 0]);
  });
});
