import type { ReadonlySignal, Signal } from '@preact/signals';
import type { ApiError } from '../api/error';
import type { JoinReply } from '../wire/JoinReply';
import type { MeetingPreview } from '../wire/MeetingPreview';
import type { LocalMedia } from './localmedia';

export declare class PreJoin {
  readonly preview: ReadonlySignal<MeetingPreview | null>;
  readonly error: ReadonlySignal<ApiError | null>;
  readonly local: LocalMedia;
  readonly name: Signal<string>;
  readonly joining: ReadonlySignal<boolean>;
  load(): Promise<void>;
  join(): Promise<JoinReply>;
  dispose(): void;
}
