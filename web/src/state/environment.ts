import { browserFetch, type Fetch } from '../api/client';
import { browserDevices, type DeviceAccess } from '../media/devices';
import { browserMeter, type OpenMeter } from '../media/levels';
import { browserRtc, type Rtc } from '../media/rtc';
import { playTestSound } from '../media/sound';
import type { OpenSocket } from '../signaling/socket';

/** Text kept under a name. */
export type TextStore = Pick<Storage, 'getItem' | 'setItem'>;

/** All of the browser that the logic uses, so that tests can put something else in its place. */
export interface Environment {
  readonly origin: string;
  readonly fetch: Fetch;
  readonly rtc: Rtc;
  readonly devices: DeviceAccess;
  readonly openMeter: OpenMeter;
  readonly openSocket: OpenSocket;
  /** Outlives the page. */
  readonly remembered: TextStore;
  /** Outlives a reload, but not the tab. */
  readonly tab: TextStore;
  /** Milliseconds that only ever grow. */
  monotonic(): number;
  /** The time of day, in milliseconds since 1970. */
  wallClock(): number;
  random(): number;
  newId(): string;
  reload(): void;
  playTestSound(speakerId: string | null): Promise<void>;
  /** Calls back when there is reason to believe that the network is back. */
  onAwake(callback: () => void): () => void;
  /** Calls back when the page goes for good. */
  onGone(callback: () => void): () => void;
}

/** This browser. */
export function browserEnvironment(): Environment {
  return {
    origin: location.origin,
    fetch: browserFetch,
    rtc: browserRtc(),
    devices: browserDevices(),
    openMeter: browserMeter,
    openSocket: (url, subprotocol) => new WebSocket(import.meta.env.DEV ? throughProxy(url) : url, subprotocol),
    remembered: forgiving(() => localStorage),
    tab: forgiving(() => sessionStorage),
    monotonic: () => performance.now(),
    wallClock: () => Date.now(),
    random: () => Math.random(),
    newId: () => crypto.randomUUID(),
    reload: () => location.reload(),
    playTestSound,
    onAwake(callback) {
      const whenVisible = (): void => {
        if (document.visibilityState === 'visible') callback();
      };
      window.addEventListener('online', callback);
      document.addEventListener('visibilitychange', whenVisible);
      return () => {
        window.removeEventListener('online', callback);
        document.removeEventListener('visibilitychange', whenVisible);
      };
    },
    onGone(callback) {
      // A page that the browser keeps may be shown again, and then takes its seat back.
      const whenGone = (event: PageTransitionEvent): void => {
        if (!event.persisted) callback();
      };
      window.addEventListener('pagehide', whenGone);
      return () => window.removeEventListener('pagehide', whenGone);
    },
  };
}

/** While the page is being worked on, the server takes sockets only from the proxy that the page comes from. */
function throughProxy(address: string): string {
  const url = new URL(address);
  url.protocol = location.protocol.replace('http', 'ws');
  url.host = location.host;
  return url.href;
}

/** Storage can be switched off or full; then choices are not remembered, and that is all. */
function forgiving(storage: () => Storage): TextStore {
  return {
    getItem(name) {
      try {
        return storage().getItem(name);
      } catch {
        return null;
      }
    },
    setItem(name, value) {
      try {
        storage().setItem(name, value);
      } catch {
        return;
      }
    },
  };
}
