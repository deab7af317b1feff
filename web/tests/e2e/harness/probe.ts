/** What the tests see of a page from inside. Installed before any script of the page runs. */
export interface Probe {
  /** Every peer connection the page ever made, closed ones included. */
  readonly connections: RTCPeerConnection[];
  /** How often the page set a local description: grows with every negotiation, and stays when there is none. */
  negotiations: number;
  /** Requests for devices that the browser has not answered yet, and how many there were in all. */
  asking: number;
  asked: number;
  /** Every track that the page took from a device, clones included. */
  readonly deviceTracks: MediaStreamTrack[];
  /** What the content security policy forbade. */
  readonly violations: string[];
  /** Analysers by track, so that listening twice costs nothing. */
  readonly ears: Map<string, AnalyserNode>;
  ear: AudioContext | null;
  /** When "Join meeting" was pressed, and when the first picture of somebody else was on the screen; milliseconds of this page. */
  joinPressedAt: number | null;
  /**
   * From its call on, counts the pictures that were decoded in each window of so many milliseconds, and keeps in mind the longest
   * time in which no new picture of the others was shown.
   */
  watchStillness(windowMs: number): void;
  readonly decodedPerWindow: number[];
  longestStillMs: number;
  firstPictureAt: number | null;
}

declare global {
  interface Window {
    probe: Probe;
  }
}

/** A way for `getUserMedia` to fail, by the error that the browser gives. */
export interface DeviceFailure {
  readonly name: string;
  readonly message: string;
}

export interface ProbeOptions {
  /** Every connection may go through a relay only, whatever the page asks for. */
  readonly relayOnly?: boolean;
  /** Nothing passes by UDP: connections may go through a relay only, and reach it by TCP. */
  readonly noUdp?: boolean;
  /** Nothing passes but what goes to the port of the page: connections may go through a relay only, and reach it there. */
  readonly onlyHttps?: boolean;
  readonly devicesFail?: DeviceFailure;
}

/** Runs in the page. It must not use anything from outside its own body. */
export function installProbe(options: ProbeOptions): void {
  const probe: Probe = {
    connections: [], negotiations: 0, asking: 0, asked: 0, deviceTracks: [], violations: [], ears: new Map(), ear: null,
    joinPressedAt: null, firstPictureAt: null,
    longestStillMs: 0, decodedPerWindow: [],
    watchStillness: (windowMs) => {
      let [shown, since] = [-1, performance.now()];
      setInterval(() => {
        const pictures = [...document.querySelectorAll<HTMLVideoElement>('article[data-participant]:not([data-self]) video')];
        const now = pictures.reduce((sum, video) => sum + video.getVideoPlaybackQuality().totalVideoFrames, 0);
        if (now !== shown) [shown, since] = [now, performance.now()];
        probe.longestStillMs = Math.max(probe.longestStillMs, Math.round(performance.now() - since));
      }, 20);
      const decoded = async (): Promise<number> => {
        const reports = await Promise.all(probe.connections.map((connection) => connection.getStats()));
        const incoming = reports.flatMap((report) => [...report.values()]).filter(({ type, kind }) => type === 'inbound-rtp' && kind === 'video');
        return incoming.reduce((sum: number, { framesDecoded }) => sum + Number(framesDecoded ?? 0), 0);
      };
      let before: number | null = null;
      setInterval(() => void decoded().then((now) => {
        if (before !== null) probe.decodedPerWindow.push(now - before);
        before = now;
      }), windowMs);
    },
  };
  Object.defineProperty(window, 'probe', { value: probe });

  const isReachable = (url: string): boolean =>
    options.onlyHttps ? url.startsWith('turns:') && url.endsWith(`:${location.port}?transport=tcp`) : /^turn:.*\?transport=tcp$/.test(url);
  const reachable = (server: RTCIceServer): RTCIceServer[] => {
    const urls = [server.urls].flat().filter(isReachable);
    return urls.length > 0 ? [{ ...server, urls }] : [];
  };
  const restrict = (configuration?: RTCConfiguration): RTCConfiguration => {
    const restricted = { ...configuration };
    const isBlocked = options.noUdp || options.onlyHttps;
    if (options.relayOnly || isBlocked) restricted.iceTransportPolicy = 'relay';
    if (isBlocked) restricted.iceServers = (configuration?.iceServers ?? []).flatMap(reachable);
    return restricted;
  };
  const Native = window.RTCPeerConnection;
  class Watched extends Native {
    constructor(configuration?: RTCConfiguration) {
      super(restrict(configuration));
      probe.connections.push(this);
    }
    override setConfiguration(configuration?: RTCConfiguration): void {
      super.setConfiguration(restrict(configuration));
    }
    override setLocalDescription(description?: RTCLocalSessionDescriptionInit): Promise<void> {
      probe.negotiations += 1;
      return description === undefined ? super.setLocalDescription() : super.setLocalDescription(description);
    }
  }
  window.RTCPeerConnection = Watched;

  const devices = navigator.mediaDevices;
  const nativeGetUserMedia = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (constraints) => {
    probe.asked += 1;
    probe.asking += 1;
    try {
      if (options.devicesFail) throw new DOMException(options.devicesFail.message, options.devicesFail.name);
      const stream = await nativeGetUserMedia(constraints);
      probe.deviceTracks.push(...stream.getTracks());
      return stream;
    } finally {
      probe.asking -= 1;
    }
  };
  const nativeClone = MediaStreamTrack.prototype.clone;
  MediaStreamTrack.prototype.clone = function clone(this: MediaStreamTrack): MediaStreamTrack {
    const copy = nativeClone.call(this);
    if (probe.deviceTracks.includes(this)) probe.deviceTracks.push(copy);
    return copy;
  };

  document.addEventListener('securitypolicyviolation', (event) => {
    probe.violations.push(`${event.effectiveDirective} forbade ${event.blockedURI} ${event.sample} (${event.sourceFile}:${event.lineNumber})`);
  });

  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    if (button?.textContent?.trim() !== 'Join meeting') return;
    probe.joinPressedAt = performance.now();
    const watch = setInterval(() => {
      const pictures = [...document.querySelectorAll<HTMLVideoElement>('article[data-participant]:not([data-self]) video')];
      if (!pictures.some((video) => video.getVideoPlaybackQuality().totalVideoFrames > 0)) return;
      probe.firstPictureAt = performance.now();
      clearInterval(watch);
    }, 5);
  }, { capture: true });
}
