/** A microphone, camera or speaker that can be chosen. */
export interface Device {
  readonly id: string;
  /** As the browser names it; empty until permission was given. */
  readonly label: string;
}

/** Why a device can't be used. The page has words for each; raw error names are never shown. */
export type DeviceProblem = 'refused' | 'refusedBySystem' | 'notFound' | 'inUse' | 'silent' | 'insecure' | 'unknown';

/** How the connection to one peer stands. */
export type PeerLink = 'connecting' | 'connected' | 'reconnecting' | 'failed';
