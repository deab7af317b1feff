import { computed } from '@preact/signals';
import { AuthApi } from '../api/auth';
import { ApiClient } from '../api/client';
import { MeetingsApi } from '../api/meetings';
import { ServerApi } from '../api/server';
import type { JoinReply } from '../wire/JoinReply';
import { browserEnvironment, type Environment, type TextStore } from './environment';
import { LocalMedia } from './localmedia';
import { Meetings } from './meetings';
import { Preferences } from './preferences';
import { PreJoin } from './prejoin';
import { Room } from './room';
import { Session } from './session';
import { Trust } from './trust';

/** All of the logic, put together. */
export interface App {
  readonly session: Session;
  /** For the parts of the page that are loaded by themselves and bring their own requests. */
  readonly client: ApiClient;
  /** Outlives a reload, but not the tab. */
  readonly tab: TextStore;
  newMeetings(): Meetings;
  newTrust(): Trust;
  newPreJoin(code: string): PreJoin;
  /** `displayName` is the name given when joining; empty when the account's counts. */
  newRoom(join: JoinReply, local: LocalMedia, displayName: string): Room;
}

/** Puts the logic together. Nothing is asked of the server or the user before its methods are called. */
export function createApp(environment: Environment = browserEnvironment()): App {
  const client = new ApiClient(environment.fetch);
  const meetings = new MeetingsApi(client);
  const preferences = new Preferences(environment.remembered);
  const server = new ServerApi(client);
  const session = new Session(new AuthApi(client), server, environment);
  return {
    session,
    client,
    tab: environment.tab,
    newMeetings: () => new Meetings(meetings),
    newTrust: () => new Trust(server),
    newPreJoin: (code) => {
      const local = new LocalMedia(environment, preferences);
      const accountName = computed(() => session.user.value?.name ?? '');
      return new PreJoin({ code, meetings, preferences, local, accountName });
    },
    newRoom: (join, local, displayName) => new Room({ environment, meetings, server, join, displayName, local }),
  };
}
