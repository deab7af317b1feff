import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Room } from '../state/room';
import { pictureFit, type Size } from './grid';

interface PictureProperties {
  stream: MediaStream | null;
  shown: boolean;
  mirrored: boolean;
  /** The size of what it fills; without one the picture always fills. */
  box?: Size | undefined;
  label?: string;
}

/** A moving picture without its sound. */
export function Picture({ stream, shown, mirrored, box, label }: PictureProperties): JSX.Element {
  const ref = useRef<HTMLVideoElement>(null);
  const size = useSignal<Size>({ width: 0, height: 0 });
  useEffect(() => {
    const video = ref.current;
    if (!video) return;
    video.defaultMuted = true;
    if (video.srcObject !== stream) video.srcObject = stream;
    // Refused only while another stream is being put in its place, which plays by itself.
    if (stream && shown) video.play().catch(() => undefined);
  }, [stream, shown]);
  return (
    <video
      ref={ref}
      muted
      playsInline
      autoplay
      hidden={!shown}
      aria-label={label}
      data-mirrored={mirrored}
      data-fit={box ? pictureFit(size.value, box) : 'cover'}
      onResize={(event) => {
        size.value = { width: event.currentTarget.videoWidth, height: event.currentTarget.videoHeight };
      }}
    />
  );
}

/** Somebody else's sound. The room plays it, by the speaker that was chosen, and knows when the browser refuses. */
export function Sound({ room, stream }: { room: Room; stream: MediaStream | null }): JSX.Element {
  const ref = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    if (ref.current && ref.current.srcObject !== stream) ref.current.srcObject = stream;
  }, [stream]);
  useEffect(() => (ref.current ? room.registerAudio(ref.current) : undefined), [room]);
  return <audio ref={ref} autoplay />;
}
