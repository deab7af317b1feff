import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * The cable between one browser and the server: it forwards TCP, and can be cut and mended.
 *
 * It sits below TLS and keeps the address that the browser sees, so the page notices nothing until the cable is cut.
 * Media doesn't pass through it.
 */
export class Cable {
  readonly port: number;
  private readonly listener: Server;
  private readonly sockets = new Set<Socket>();
  private target: number | null = null;
  private whole = true;

  private constructor(listener: Server) {
    this.listener = listener;
    this.port = (listener.address() as AddressInfo).port;
    listener.on('connection', (near) => this.forward(near));
  }

  static async lay(): Promise<Cable> {
    const listener = createServer();
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(0, '127.0.0.1', resolve);
    });
    return new Cable(listener);
  }

  /** Leads to the server on this loopback port from now on. */
  plugInto(port: number): void {
    this.target = port;
  }

  /** Breaks every connection, and refuses new ones until mended. */
  cut(): void {
    this.whole = false;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.whole = true;
  }

  async remove(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.listener.close(() => resolve()));
  }

  private forward(near: Socket): void {
    if (!this.whole || this.target === null) {
      near.destroy();
      return;
    }
    const far = connect(this.target, '127.0.0.1');
    for (const [socket, other] of [[near, far], [far, near]] as const) {
      socket.setNoDelay(true);
      this.sockets.add(socket);
      socket.on('data', (bytes) => {
        if (!other.write(bytes)) socket.pause();
      });
      other.on('drain', () => socket.resume());
      socket.on('end', () => other.end());
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
