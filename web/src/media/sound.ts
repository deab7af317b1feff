/** Plays a short test sound through a speaker; the default one when none is named. */
export async function playTestSound(speakerId: string | null): Promise<void> {
  if (typeof AudioContext === 'undefined') return;
  const context: AudioContext & { setSinkId?: (id: string) => Promise<void> } = new AudioContext();
  try {
    if (speakerId !== null) await context.setSinkId?.(speakerId).catch(() => undefined);
    await context.resume();
    const start = context.currentTime;
    for (const [index, frequency] of [523.25, 659.25, 783.99].entries()) playTone(context, frequency, start + index * 0.22);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  } finally {
    await context.close();
  }
}

function playTone(context: AudioContext, frequency: number, at: number): void {
  const tone = context.createOscillator();
  const volume = context.createGain();
  tone.frequency.value = frequency;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(0.2, at + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.001, at + 0.3);
  tone.connect(volume).connect(context.destination);
  tone.start(at);
  tone.stop(at + 0.32);
}
