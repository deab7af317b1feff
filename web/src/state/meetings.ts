import type { ReadonlySignal } from '@preact/signals';
import type { ApiError } from '../api/error';
import type { CreateMeetingRequest } from '../wire/CreateMeetingRequest';
import type { Meeting } from '../wire/Meeting';
import type { RoomId } from '../wire/RoomId';

export declare class Meetings {
  readonly list: ReadonlySignal<Meeting[] | null>;
  readonly error: ReadonlySignal<ApiError | null>;
  load(): Promise<void>;
  create(request: CreateMeetingRequest): Promise<Meeting>;
  end(roomId: RoomId): Promise<void>;
  remove(roomId: RoomId): Promise<void>;
}
