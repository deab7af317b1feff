import type { JoinReply } from '../wire/JoinReply';
import type { LocalMedia } from './localmedia';
import type { Meetings } from './meetings';
import type { PreJoin } from './prejoin';
import type { Room } from './room';
import type { Session } from './session';

export interface App {
  readonly session: Session;
  newMeetings(): Meetings;
  newPreJoin(code: string): PreJoin;
  newRoom(join: JoinReply, local: LocalMedia): Room;
  dispose(): void;
}

export declare function createApp(): App;
