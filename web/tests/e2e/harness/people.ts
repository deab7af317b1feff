import { chromium, expect, type Browser, type BrowserContext, type BrowserContextOptions, type Locator, type Page } from '@playwright/test';
import { VOICES, type Name, type Recording } from './media';
import { installProbe, type ProbeOptions } from './probe';
import { Cable } from './proxy';
import type { Hearth } from './server';

/** Six browsers share two cores: what takes a blink on a desk may take this long here. */
export const PATIENCE_MS = 30_000;

/** One message of the signaling socket, as it went over the wire. */
export interface SocketMessage {
  readonly direction: 'sent' | 'received';
  readonly type: string;
  readonly body: Record<string, unknown>;
}

/** Where a machine stands that is not on the loopback like the others, and to which no cable of the tests leads. */
export interface Place {
  /** The program that starts a browser there, and what it needs in its environment. */
  readonly browser: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The server's name, which is the only one known there, and its address. */
  readonly name: string;
  readonly address: string;
}

/** A browser with a cable of its own to the server, and with one person's camera and microphone; without a recording it has neither. */
export class Machine {
  readonly name: Name;
  readonly cable: Cable;
  readonly browser: Browser;

  private constructor(name: Name, cable: Cable, browser: Browser) {
    this.name = name;
    this.cable = cable;
    this.browser = browser;
  }

  static async switchOn(name: Name, recording: Recording | null, place?: Place): Promise<Machine> {
    const cable = await Cable.lay();
    const devices = recording === null ? [] : [
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-video-capture=${recording.camera}`,
      `--use-file-for-fake-audio-capture=${recording.microphone}`,
    ];
    const network = place === undefined ? [
      // Whatever port of localhost the page asks for, it gets the cable; and there is no other host in the world.
      `--host-resolver-rules=MAP localhost 127.0.0.1:${cable.port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
      '--allow-loopback-in-peer-connection',
    ] : [
      // The name of a STUN or TURN server by UDP is looked up with a dot at its end.
      `--host-resolver-rules=MAP ${place.name} ${place.address}, MAP ${place.name}. ${place.address}, MAP * ~NOTFOUND, EXCLUDE ${place.address}`,
    ];
    const browser = await chromium.launch({
      executablePath: place?.browser ?? process.env['CHROMIUM_BIN'] ?? '/usr/bin/chromium',
      env: { ...process.env, ...place?.environment },
      args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--ignore-certificate-errors',
        '--autoplay-policy=no-user-gesture-required', '--use-fake-ui-for-media-stream',
        ...network,
        ...devices,
      ],
    });
    return new Machine(name, cable, browser);
  }

  async switchOff(): Promise<void> {
    await this.browser.close();
    await this.cable.remove();
  }
}

export interface ArrivalOptions extends ProbeOptions {
  readonly context?: BrowserContextOptions;
  /** The browser has not been told yet that the page may use the devices. Once the page asks, it may. */
  readonly firstVisit?: boolean;
}

/** Somebody at a machine, with a fresh browser profile. The page is found by what people and screen readers find. */
export class Person {
  readonly name: string;
  readonly machine: Machine;
  readonly context: BrowserContext;
  readonly page: Page;
  /** The address of everything the page asked for, sockets included. */
  readonly requests: string[] = [];
  readonly messages: SocketMessage[] = [];
  /** Errors that no code caught. */
  readonly errors: string[] = [];
  readonly console: string[] = [];
  readonly server: Hearth;

  private constructor(name: string, machine: Machine, server: Hearth, context: BrowserContext, page: Page) {
    this.name = name;
    this.machine = machine;
    this.server = server;
    this.context = context;
    this.page = page;
    page.on('request', (request) => this.requests.push(request.url()));
    page.on('pageerror', (error) => this.errors.push(error.stack ?? error.message));
    page.on('console', (message) => this.console.push(`${message.type()}: ${message.text()}`));
    page.on('websocket', (socket) => {
      this.requests.push(socket.url());
      socket.on('framesent', ({ payload }) => this.note('sent', payload));
      socket.on('framereceived', ({ payload }) => this.note('received', payload));
    });
  }

  /** `name` is what the others will read; the machine says which picture and tone they get. */
  static async arrive(machine: Machine, server: Hearth, name: string = machine.name, options: ArrivalOptions = {}): Promise<Person> {
    machine.cable.mend();
    machine.cable.plugInto(server.port);
    const { context: contextOptions, firstVisit = false, ...probe } = options;
    const context = await machine.browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1100, height: 720 }, ...contextOptions });
    const devices = firstVisit ? [] : ['camera', 'microphone'];
    await context.grantPermissions([...devices, 'clipboard-read', 'clipboard-write'], { origin: server.origin });
    await context.addInitScript(installProbe, probe);
    return new Person(name, machine, server, context, await context.newPage());
  }

  get voice(): (typeof VOICES)[Name] {
    return VOICES[this.machine.name];
  }

  get cable(): Cable {
    return this.machine.cable;
  }

  async open(path: string): Promise<void> {
    await this.page.goto(this.server.origin + path);
  }

  /** Opens the meeting's link and gets as far as the "Join meeting" button. */
  async openMeeting(code: string): Promise<void> {
    await this.open(`/m/${code}`);
    await this.getReady();
  }

  /** Waits on the pre-join screen until the page, which may use the devices, has asked for them and got an answer. */
  async getReady(): Promise<void> {
    await expect(this.joinButton).toBeVisible({ timeout: PATIENCE_MS });
    await expect(this.allowButton).toBeHidden();
    await expect.poll(() => this.page.evaluate(() => window.probe.asked > 0 && window.probe.asking === 0)).toBe(true);
  }

  get allowButton(): Locator {
    return this.button('Allow camera and microphone');
  }

  /** From the link into the meeting, under one's name. */
  async join(code: string): Promise<void> {
    await this.openMeeting(code);
    await this.enter();
  }

  /** From the pre-join screen into the meeting. */
  async enter(): Promise<void> {
    const name = this.page.getByRole('textbox', { name: 'Your name' });
    if (await name.isVisible()) await name.fill(this.name);
    await this.joinButton.click();
    await expect(this.ownTile).toBeVisible({ timeout: PATIENCE_MS });
  }

  async signIn(email: string, password: string): Promise<void> {
    await this.open('/signin');
    await this.page.getByLabel('E-mail address').fill(email);
    await this.page.getByLabel('Password', { exact: true }).fill(password);
    await this.button('Sign in').click();
    await expect(this.button('Create meeting')).toBeVisible({ timeout: PATIENCE_MS });
  }

  get joinButton(): Locator {
    return this.button('Join meeting');
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  /** One tile per person in the meeting, oneself included. */
  get tiles(): Locator {
    return this.page.locator('article[data-participant]');
  }

  get ownTile(): Locator {
    return this.page.locator('article[data-participant][data-self]');
  }

  tile(other: Person): Locator {
    return this.page.locator('article[data-participant]:not([data-self])').and(this.page.getByRole('article', { name: other.name, exact: true }));
  }

  async seatOf(other: Person): Promise<string | null> {
    return this.tile(other).getAttribute('data-participant');
  }

  get reconnectingBanner(): Locator {
    return this.page.getByRole('status').filter({ hasText: 'Reconnecting…' });
  }

  panel(name: 'Chat' | 'People'): Locator {
    return this.page.getByRole('region', { name, exact: true });
  }

  async openPanel(name: 'Chat' | 'People'): Promise<Locator> {
    const panel = this.panel(name);
    if (!(await panel.isVisible())) {
      const button = this.button(name);
      if (await button.isVisible()) await button.click();
      else {
        await this.button('More').click();
        await this.page.getByRole('menuitem', { name, exact: true }).click();
      }
    }
    await expect(panel).toBeVisible();
    return panel;
  }

  get chatLines(): Locator {
    return this.panel('Chat').locator('li[data-chat]');
  }

  async say(text: string, to?: Person): Promise<void> {
    const chat = await this.openPanel('Chat');
    await chat.getByRole('combobox', { name: 'To', exact: true }).selectOption({ label: to?.name ?? 'Everyone' });
    await chat.getByRole('textbox', { name: 'Message' }).fill(text);
    await chat.getByRole('button', { name: 'Send', exact: true }).click();
  }

  async leave(): Promise<void> {
    await this.button('Leave').click();
    const choice = this.page.getByRole('menuitem', { name: 'Leave', exact: true });
    const left = this.page.getByRole('heading', { name: 'You have left the meeting' });
    await expect(choice.or(left)).toBeVisible();
    if (await choice.isVisible()) await choice.click();
    await expect(left).toBeVisible();
  }

  async endForAll(): Promise<void> {
    await this.button('Leave').click();
    await this.page.getByRole('menuitem', { name: 'End for all', exact: true }).click();
    await this.page.getByRole('dialog').getByRole('button', { name: 'End meeting', exact: true }).click();
  }

  /** How often this page has begun or answered a negotiation since it was loaded. */
  async negotiations(): Promise<number> {
    return this.page.evaluate(() => window.probe.negotiations);
  }

  /** The states of all peer connections that this page made since it was loaded. */
  async connectionStates(): Promise<RTCPeerConnectionState[]> {
    return this.page.evaluate(() => window.probe.connections.map((connection) => connection.connectionState));
  }

  async openConnections(): Promise<number> {
    return (await this.connectionStates()).filter((state) => state !== 'closed').length;
  }

  /** How many cameras and microphones this page keeps busy. */
  async devicesInUse(): Promise<number> {
    return this.page.evaluate(() => window.probe.deviceTracks.filter((track) => track.readyState === 'live').length);
  }

  async camerasInUse(): Promise<number> {
    return this.page.evaluate(() => window.probe.deviceTracks.filter((track) => track.kind === 'video' && track.readyState === 'live').length);
  }

  /** What kinds of candidates carry the media, own one first; one pair per connection. */
  async routes(): Promise<string[]> {
    return this.page.evaluate(async () => {
      const routes: string[] = [];
      for (const connection of window.probe.connections.filter((each) => each.connectionState === 'connected')) {
        const stats = await connection.getStats();
        for (const report of stats.values()) {
          if (report.type !== 'transport' || report.selectedCandidatePairId === undefined) continue;
          const pair = stats.get(report.selectedCandidatePairId);
          routes.push(`${stats.get(pair.localCandidateId)?.candidateType} to ${stats.get(pair.remoteCandidateId)?.candidateType}`);
        }
      }
      return routes;
    });
  }

  /** How this side reaches the relay, one for each connection that goes through one. */
  async relayProtocols(): Promise<string[]> {
    return this.page.evaluate(async () => {
      const protocols: string[] = [];
      for (const connection of window.probe.connections.filter((each) => each.connectionState === 'connected')) {
        const stats = await connection.getStats();
        for (const report of stats.values()) {
          if (report.type !== 'transport' || report.selectedCandidatePairId === undefined) continue;
          const own = stats.get(stats.get(report.selectedCandidatePairId).localCandidateId);
          if (own?.candidateType === 'relay') protocols.push(own.relayProtocol);
        }
      }
      return protocols;
    });
  }

  /** What must hold of every page in every test: nothing foreign asked for, nothing forbidden tried, no error left uncaught. */
  async complaints(): Promise<string[]> {
    const own = new URL(this.server.origin).host;
    const foreign = this.requests.filter((url) => !/^(blob|data):/.test(url) && new URL(url).host !== own);
    const violations = await this.page.evaluate(() => window.probe.violations).catch(() => []);
    return [
      ...foreign.map((url) => `${this.name} asked a foreign place: ${url}`),
      ...violations.map((violation) => `${this.name}: ${violation}`),
      ...this.errors.map((error) => `${this.name}: uncaught ${error}`),
    ];
  }

  private note(direction: SocketMessage['direction'], payload: string | Buffer): void {
    const body: unknown = JSON.parse(payload.toString());
    if (typeof body !== 'object' || body === null || !('type' in body)) return;
    this.messages.push({ direction, type: String(body.type), body: body as Record<string, unknown> });
  }
}
