import { type AddressInfo, createServer, type Socket } from 'node:net';

/** Frame types of RFC 9113, section 6. */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const PREFACE_BYTES = 24;
const FRAME_HEADER_BYTES = 9;

/** A header; a Buffer as value goes out byte for byte, whatever it is. */
export type RawHeader = readonly [name: string, value: string | Buffer];

/** One call as the server sees it: sends any frame, in any order. */
export interface RawStream {
  readonly id: number;
  headers(headers: readonly RawHeader[], endStream?: boolean): void;
  data(bytes: Buffer, endStream?: boolean): void;
  reset(code: number): void;
  goAway(code: number, lastStreamId: number): void;
  frame(type: number, flags: number, streamId: number, payload: Buffer): void;
  /** Bytes that are no frame. */
  bytes(bytes: Buffer): void;
  /** Breaks the connection. */
  destroy(): void;
  /** Resolves when the client has taken in every frame so far, or its connection is over. */
  settled(): Promise<void>;
}

export interface RawServer {
  readonly address: string;
  /** Called when the caller of a stream has sent everything. A test replaces it. */
  answer: (stream: RawStream) => void;
  close(): void;
}

/** A server on a free port that speaks HTTP/2 frame by frame, and checks nothing: it can send what no library would. */
export async function startRawServer(): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined); // the client's own log tells
    socket.on('close', () => sockets.delete(socket));
    new Connection(socket, (stream) => server.answer(stream));
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  const server: RawServer = {
    address: `127.0.0.1:${port}`,
    answer: () => undefined,
    close: () => {
      for (const socket of sockets) socket.destroy();
      listener.close();
    },
  };
  return server;
}

class Connection {
  readonly #socket: Socket;
  readonly #onStream: (stream: RawStream) => void;
  readonly #pings: (() => void)[] = [];
  #buffered = Buffer.alloc(0);
  #hasPreface = false;
  /** The client has found an error of the connection, and answers no ping any more. */
  #isRefused = false;

  constructor(socket: Socket, onStream: (stream: RawStream) => void) {
    this.#socket = socket;
    this.#onStream = onStream;
    socket.on('data', (bytes) => this.#read(bytes));
    socket.on('close', () => this.#settleAll());
    this.#send(FRAME.SETTINGS, 0, 0, Buffer.alloc(0));
  }

  #send(type: number, flags: number, streamId: number, payload: Buffer): void {
    const head = Buffer.alloc(FRAME_HEADER_BYTES);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(streamId, 5);
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat([head, payload]));
  }

  #read(bytes: Buffer): void {
    this.#buffered = Buffer.concat([this.#buffered, bytes]);
    if (!this.#hasPreface) {
      if (this.#buffered.length < PREFACE_BYTES) return;
      this.#buffered = this.#buffered.subarray(PREFACE_BYTES);
      this.#hasPreface = true;
    }
    while (this.#buffered.length >= FRAME_HEADER_BYTES) {
      const end = FRAME_HEADER_BYTES + this.#buffered.readUIntBE(0, 3);
      if (this.#buffered.length < end) return;
      const frame = this.#buffered.subarray(0, end);
      this.#buffered = this.#buffered.subarray(end);
      this.#receive(frame.readUInt8(3), frame.readUInt8(4), frame.readUInt32BE(5) & 0x7fffffff);
    }
  }

  #receive(type: number, flags: number, streamId: number): void {
    if (type === FRAME.SETTINGS && (flags & ACK) === 0) this.#send(FRAME.SETTINGS, ACK, 0, Buffer.alloc(0));
    if (type === FRAME.PING && (flags & ACK) !== 0) this.#pings.shift()?.();
    if (type === FRAME.GOAWAY) {
      this.#isRefused = true;
      this.#settleAll();
    }
    const ends = (type === FRAME.DATA || type === FRAME.HEADERS) && (flags & END_STREAM) !== 0;
    if (ends) this.#onStream(this.#stream(streamId));
  }

  #stream(id: number): RawStream {
    return {
      id,
      headers: (headers, endStream = false) =>
        this.#send(FRAME.HEADERS, END_HEADERS | (endStream ? END_STREAM : 0), id, headerBlock(headers)),
      data: (bytes, endStream = false) => this.#send(FRAME.DATA, endStream ? END_STREAM : 0, id, bytes),
      reset: (code) => this.#send(FRAME.RST_STREAM, 0, id, uint32(code)),
      goAway: (code, last) => this.#send(FRAME.GOAWAY, 0, 0, Buffer.concat([uint32(last), uint32(code)])),
      frame: (type, flags, streamId, payload) => this.#send(type, flags, streamId, payload),
      bytes: (bytes) => {
        if (!this.#socket.destroyed) this.#socket.write(bytes);
      },
      destroy: () => this.#socket.destroy(),
      settled: () => this.#settled(),
    };
  }

  #settleAll(): void {
    for (const settle of this.#pings.splice(0)) settle();
  }

  #settled(): Promise<void> {
    if (this.#isRefused || this.#socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#pings.push(resolve);
      this.#send(FRAME.PING, 0, 0, Buffer.alloc(8));
    });
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Literals without indexing and without Huffman codes (RFC 7541, 6.2.2). */
export function headerBlock(headers: readonly RawHeader[]): Buffer {
  return Buffer.concat(
    headers.flatMap(([name, value]) => [
      Buffer.of(0),
      ...text(Buffer.from(name)),
      ...text(Buffer.from(value)),
    ]),
  );
}

function text(bytes: Buffer): Buffer[] {
  if (bytes.length < 127) return [Buffer.of(bytes.length), bytes];
  const length = [127];
  let left = bytes.length - 127;
  for (; left >= 128; left = Math.floor(left / 128)) length.push((left % 128) + 128);
  length.push(left);
  return [Buffer.from(length), bytes];
}

/** A message as gRPC frames it: a flag, a length, the bytes. */
export function grpcMessage(bytes: Buffer, { compressed = 0, length = bytes.length } = {}): Buffer {
  return Buffer.concat([Buffer.of(compressed), uint32(length), bytes]);
}
