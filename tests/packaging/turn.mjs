// As much of a STUN and TURN client (RFC 8489, RFC 8656) as shows that packets pass through a relay.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';

const COOKIE = 0x2112a442;
const BINDING = 0x0001;
const ALLOCATE = 0x0003;
const CREATE_PERMISSION = 0x0008;
const SEND_INDICATION = 0x0016;
const DATA_INDICATION = 0x0017;
const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
const ERROR_CODE = 0x0009;
const XOR_PEER_ADDRESS = 0x0012;
const DATA = 0x0013;
const REALM = 0x0014;
const NONCE = 0x0015;
const XOR_RELAYED_ADDRESS = 0x0016;
const REQUESTED_TRANSPORT = 0x0019;
const XOR_MAPPED_ADDRESS = 0x0020;

const UDP = Buffer.from([17, 0, 0, 0]);

export class Client {
  #socket = createSocket('udp4');
  #key;
  #sealing = [];
  #answers = new Map();
  #arrived = [];
  #waiting = [];

  /** A client of the relay at `host` and `port`, with the name and password that the server handed out. */
  constructor(host, port, { username, credential }) {
    Object.assign(this, { host, port, username, credential });
    this.#socket.on('message', (bytes) => this.#take(read(bytes)));
  }

  close() {
    this.#socket.close();
  }

  /** The address that the server sees. */
  async binding() {
    return address(attribute(await this.#ask(BINDING, []), XOR_MAPPED_ADDRESS));
  }

  /** Makes an allocation; the address that it is reached at. */
  async allocate() {
    const challenge = await this.#ask(ALLOCATE, [[REQUESTED_TRANSPORT, UDP]], 401);
    const realm = attribute(challenge, REALM);
    this.#key = createHash('md5').update(`${this.username}:${realm}:${this.credential}`).digest();
    this.#sealing = [[USERNAME, Buffer.from(this.username)], [REALM, realm], [NONCE, attribute(challenge, NONCE)]];
    const answer = await this.#ask(ALLOCATE, [[REQUESTED_TRANSPORT, UDP]]);
    return address(attribute(answer, XOR_RELAYED_ADDRESS));
  }

  permit(peer) {
    return this.#ask(CREATE_PERMISSION, [[XOR_PEER_ADDRESS, peer.raw]]);
  }

  send(peer, text) {
    this.#write(write(SEND_INDICATION, randomBytes(12), [[XOR_PEER_ADDRESS, peer.raw], [DATA, Buffer.from(text)]]));
  }

  /** The next packet that came through the relay. */
  receive() {
    return this.#arrived.shift() ?? new Promise((done) => this.#waiting.push(done));
  }

  async #ask(method, attributes, wanted = 0) {
    const id = randomBytes(12);
    const bytes = write(method, id, [...attributes, ...this.#sealing], this.#key);
    const answered = new Promise((done) => this.#answers.set(id.toString('hex'), done));
    this.#write(bytes);
    // UDP may lose either way.
    const again = setInterval(() => this.#write(bytes), 500);
    const answer = await answered.finally(() => clearInterval(again));
    const error = attribute(answer, ERROR_CODE);
    const code = error ? error[2] * 100 + error[3] : 0;
    if (code !== wanted) throw new Error(`the relay answered ${code} ${error?.subarray(4) ?? ''} instead of ${wanted}`);
    return answer;
  }

  #write(bytes) {
    this.#socket.send(bytes, this.port, this.host);
  }

  #take(message) {
    if (message.type === DATA_INDICATION) {
      const text = attribute(message, DATA).toString();
      const reader = this.#waiting.shift();
      if (reader) reader(text);
      else this.#arrived.push(text);
      return;
    }
    this.#answers.get(message.id)?.(message);
    this.#answers.delete(message.id);
  }
}

function write(type, id, attributes, key) {
  const parts = attributes.map(([name, value]) => {
    const part = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
    part.writeUInt16BE(name, 0);
    part.writeUInt16BE(value.length, 2);
    value.copy(part, 4);
    return part;
  });
  const head = Buffer.alloc(20);
  head.writeUInt16BE(type, 0);
  head.writeUInt32BE(COOKIE, 4);
  id.copy(head, 8);
  const body = Buffer.concat(parts);
  // The seal counts itself into the length that it is made over.
  head.writeUInt16BE(body.length + (key ? 24 : 0), 2);
  const message = Buffer.concat([head, body]);
  if (!key) return message;
  const seal = createHmac('sha1', key).update(message).digest();
  return Buffer.concat([message, Buffer.from([0, MESSAGE_INTEGRITY, 0, 20]), seal]);
}

function read(bytes) {
  const attributes = [];
  for (let at = 20; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16BE(at + 2);
    attributes.push([bytes.readUInt16BE(at), bytes.subarray(at + 4, at + 4 + length)]);
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return { type: bytes.readUInt16BE(0), id: bytes.toString('hex', 8, 20), attributes };
}

function attribute(message, name) {
  return message.attributes.find(([known]) => known === name)?.[1];
}

function address(raw) {
  const host = raw.readUInt32BE(4) ^ COOKIE;
  const port = raw.readUInt16BE(2) ^ (COOKIE >>> 16);
  return { raw, text: `${[24, 16, 8, 0].map((shift) => (host >>> shift) & 255).join('.')}:${port}` };
}
