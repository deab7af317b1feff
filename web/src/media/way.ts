/** What browsers may be asked for beside a sender's parameters (W3C WebRTC Extensions). Those that don't know it pass it over. */
interface SendOptions extends RTCSetParameterOptions {
  readonly encodingOptions: readonly { readonly keyFrame: boolean }[];
}

/**
 * Follows the way that media take, and has a whole picture sent whenever that is another one than before. What was sent last may
 * have gone nowhere, all that follows builds on it, and whoever misses it asks for a whole picture only three seconds later.
 */
export class Way {
  #transport: RTCIceTransport | null = null;

  /** To be called when a negotiation is through: there is a transport from the first one on. */
  follow(sender: RTCRtpSender): void {
    const transport = sender.transport?.iceTransport ?? null;
    if (transport === null || transport === this.#transport) return;
    this.#transport = transport;
    // Some browsers have the transport and can't tell its way, such as Firefox. There, the other side asks.
    if (typeof transport.getSelectedCandidatePair !== 'function') return;
    let found = transport.getSelectedCandidatePair() !== null;
    transport.onselectedcandidatepairchange = () => {
      // The first picture of all is a whole one anyway.
      if (found) sendWholePicture(sender);
      found = true;
    };
  }
}

function sendWholePicture(sender: RTCRtpSender): void {
  const parameters = sender.getParameters();
  const options: SendOptions = { encodingOptions: parameters.encodings.map(() => ({ keyFrame: true })) };
  // Refused when parameters change at the same moment. Then the other side asks for it, as it does without this.
  sender.setParameters(parameters, options).catch(() => undefined);
}
