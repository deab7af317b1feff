import { signal, type ReadonlySignal } from '@preact/signals';
import { ApiError } from '../api/error';
import type { MeetingsApi } from '../api/meetings';
import type { CreateMeetingRequest } from '../wire/CreateMeetingRequest';
import type { Meeting } from '../wire/Meeting';
import type { RoomId } from '../wire/RoomId';

const SHOWN = 50;

/** One's own meetings. */
export class Meetings {
  readonly #api: MeetingsApi;
  readonly #list = signal<Meeting[] | null>(null);
  readonly #error = signal<ApiError | null>(null);

  constructor(api: MeetingsApi) {
    this.#api = api;
  }

  /** Newest first; null until loaded. */
  get list(): ReadonlySignal<Meeting[] | null> {
    return this.#list;
  }

  /** Why the list could not be loaded. */
  get error(): ReadonlySignal<ApiError | null> {
    return this.#error;
  }

  /** Loads the list. Never rejects; see `error`. */
  async load(): Promise<void> {
    try {
      this.#list.value = (await this.#api.list(SHOWN)).meetings;
      this.#error.value = null;
    } catch (error) {
      this.#error.value = ApiError.from(error);
    }
  }

  async create(request: CreateMeetingRequest): Promise<Meeting> {
    const { meeting } = await this.#api.create(request);
    this.#list.value = [meeting, ...(this.#list.value ?? [])];
    return meeting;
  }

  async end(roomId: RoomId): Promise<void> {
    const { meeting } = await this.#api.end(roomId);
    this.#list.value = this.#list.value?.map((one) => (one.roomId === roomId ? meeting : one)) ?? null;
  }

  async remove(roomId: RoomId): Promise<void> {
    await this.#api.remove(roomId);
    this.#list.value = this.#list.value?.filter((one) => one.roomId !== roomId) ?? null;
  }
}
