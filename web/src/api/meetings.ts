import type { CreateMeetingRequest } from '../wire/CreateMeetingRequest';
import type { Done } from '../wire/Done';
import type { JoinReply } from '../wire/JoinReply';
import type { JoinRequest } from '../wire/JoinRequest';
import type { MeetingList } from '../wire/MeetingList';
import type { MeetingPreview } from '../wire/MeetingPreview';
import type { MeetingReply } from '../wire/MeetingReply';
import type { RoomId } from '../wire/RoomId';
import type { ApiClient } from './client';

/** Meetings. */
export class MeetingsApi {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  create(request: CreateMeetingRequest): Promise<MeetingReply> {
    return this.#client.request('POST', '/api/meetings/create', request);
  }

  join(request: JoinRequest): Promise<JoinReply> {
    return this.#client.request('POST', '/api/meetings/join', request);
  }

  list(limit: number): Promise<MeetingList> {
    return this.#client.request('GET', `/api/meetings?limit=${limit}`);
  }

  /** Takes the code as somebody typed it. */
  preview(code: string): Promise<MeetingPreview> {
    return this.#client.request('GET', `/api/meetings/${encodeURIComponent(code)}/preview`);
  }

  end(roomId: RoomId): Promise<MeetingReply> {
    return this.#client.request('POST', `/api/meetings/${encodeURIComponent(roomId)}/end`);
  }

  remove(roomId: RoomId): Promise<Done> {
    return this.#client.request('DELETE', `/api/meetings/${encodeURIComponent(roomId)}`);
  }
}
