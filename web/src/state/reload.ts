import { PROTOCOL_VERSION } from '../signaling/protocol';
import type { Environment } from './environment';

const KEY = 'hearth.reloadedFor';

/**
 * Whether the server speaks the protocol that this page was built for. When not, the page is reloaded, once: when the page
 * that comes is the old one again, more reloading would only go round in circles.
 */
export function speaksOurProtocol(protocol: number, environment: Pick<Environment, 'tab' | 'reload'>): boolean {
  if (protocol === PROTOCOL_VERSION) return true;
  if (environment.tab.getItem(KEY) !== String(protocol)) {
    environment.tab.setItem(KEY, String(protocol));
    environment.reload();
  }
  return false;
}
