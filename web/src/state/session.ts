import type { ReadonlySignal } from '@preact/signals';
import type { Account } from '../wire/Account';
import type { ServerInfo } from '../wire/ServerInfo';

export declare class Session {
  readonly server: ReadonlySignal<ServerInfo | null>;
  readonly user: ReadonlySignal<Account | null | undefined>;
  start(): Promise<void>;
  signIn(email: string, password: string): Promise<void>;
  register(email: string, name: string, password: string): Promise<void>;
  setup(token: string, email: string, name: string, password: string): Promise<void>;
  signOut(): Promise<void>;
}
