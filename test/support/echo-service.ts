import {
  type CallOptions,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  credentials,
  Metadata,
  type MethodDefinition,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type StatusObject,
  type sendUnaryData,
} from '@grpc/grpc-js';

/** The message of every method of the test service. */
export interface Message {
  text: string;
}

const serialize = (message: Message) => Buffer.from(JSON.stringify({ text: message.text }));
const deserialize = (bytes: Buffer): Message => JSON.parse(bytes.toString());

function method(
  name: string,
  requestStream: boolean,
  responseStream: boolean,
): MethodDefinition<Message, Message> {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: serialize,
    requestDeserialize: deserialize,
    responseSerialize: serialize,
    responseDeserialize: deserialize,
  };
}

/** A service with one method of each kind. */
export const echoService = {
  unary: method('Unary', false, false),
  clientStream: method('ClientStream', true, false),
  serverStream: method('ServerStream', false, true),
  bidi: method('Bidi', true, true),
};

/** What the server does; a test replaces what it needs. */
export interface Handlers {
  unary(call: ServerUnaryCall<Message, Message>, callback: sendUnaryData<Message>): void;
  clientStream(call: ServerReadableStream<Message, Message>, callback: sendUnaryData<Message>): void;
  serverStream(call: ServerWritableStream<Message, Message>): void;
  bidi(call: ServerDuplexStream<Message, Message>): void;
}

const echo: Handlers = {
  unary: (call, callback) => callback(null, { text: `echo ${call.request.text}` }),
  clientStream: (call, callback) => {
    const texts: string[] = [];
    call.on('data', (message: Message) => texts.push(message.text));
    call.on('end', () => callback(null, { text: `echo ${texts.join('+')}` }));
  },
  serverStream: (call) => {
    for (let index = 0; index < 3; index++) call.write({ text: `${call.request.text} ${index}` });
    call.end();
  },
  bidi: (call) => {
    call.on('data', (message: Message) => call.write({ text: `echo ${message.text}` }));
    call.on('end', () => call.end());
  },
};

export interface EchoServer {
  readonly address: string;
  readonly port: number;
  /** Replaced by tests while it runs. */
  readonly handlers: Handlers;
  /** How many calls reached it. */
  readonly calls: { count: number };
  close(): void;
}

/** Where a server listens, and how. */
export interface Listening {
  readonly host?: string;
  readonly port?: number;
  readonly tls?: ServerCredentials;
}

/** A real server on a free port of 127.0.0.1, or where it is said. */
export async function startEchoServer(
  handlers: Partial<Handlers> = {},
  { host = '127.0.0.1', port = 0, tls = ServerCredentials.createInsecure() }: Listening = {},
): Promise<EchoServer> {
  const server = new Server();
  const current: Handlers = { ...echo, ...handlers };
  const calls = { count: 0 };
  server.addService(echoService, {
    unary: (call: ServerUnaryCall<Message, Message>, callback: sendUnaryData<Message>) => {
      calls.count++;
      current.unary(call, callback);
    },
    clientStream: (call: ServerReadableStream<Message, Message>, callback: sendUnaryData<Message>) => {
      calls.count++;
      current.clientStream(call, callback);
    },
    serverStream: (call: ServerWritableStream<Message, Message>) => {
      calls.count++;
      current.serverStream(call);
    },
    bidi: (call: ServerDuplexStream<Message, Message>) => {
      calls.count++;
      current.bidi(call);
    },
  });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, tls, (error, actual) => (error ? reject(error) : resolve(actual)));
  });
  return {
    address: `${host}:${bound}`,
    port: bound,
    handlers: current,
    calls,
    close: () => server.forceShutdown(),
  };
}

const EchoConstructor = makeGenericClientConstructor(echoService, 'test.Echo');

type UnaryMethod = (
  request: Message,
  metadata: Metadata,
  options: CallOptions,
  callback: (error: ServiceError | null, value?: Message) => void,
) => ClientUnaryCall;

/** The generated-client shape of the service. */
export interface EchoClient {
  unary: UnaryMethod;
  clientStream(
    metadata: Metadata,
    options: CallOptions,
    callback: (error: ServiceError | null, value?: Message) => void,
  ): ClientWritableStream<Message>;
  serverStream(request: Message, metadata: Metadata, options: CallOptions): ClientReadableStream<Message>;
  bidi(metadata: Metadata, options: CallOptions): ClientDuplexStream<Message, Message>;
  waitForReady(deadline: number, callback: (error?: Error) => void): void;
  close(): void;
}

/** With connections of its own: an earlier test's to a server that had the same port must not be found in the pool. */
export function echoClient(
  address: string,
  options: ClientOptions = {},
  tls = credentials.createInsecure(),
): EchoClient {
  const own = { 'grpc.use_local_subchannel_pool': 1, ...options };
  return new EchoConstructor(address, tls, own) as unknown as EchoClient;
}

/** Resolves when the client has its connection. */
export function ready(client: EchoClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + 60_000, (error) => (error ? reject(error) : resolve()));
  });
}

/** How a unary call ended, and everything that the caller saw of it, in order. */
export interface Ended {
  readonly value: Message | undefined;
  readonly error: ServiceError | undefined;
  readonly metadata: Metadata;
  readonly status: StatusObject;
  readonly events: readonly string[];
}

export interface RunOptions extends CallOptions {
  readonly metadata?: Metadata;
  readonly onCall?: (call: ClientUnaryCall) => void;
}

/** Makes a unary call and waits for its `status` event. */
export function callUnary(client: EchoClient, text: string, options: RunOptions = {}): Promise<Ended> {
  const { metadata = new Metadata(), onCall, ...callOptions } = options;
  return new Promise((resolve) => {
    const events: string[] = [];
    let headers = new Metadata();
    let value: Message | undefined;
    let error: ServiceError | undefined;
    const call = client.unary({ text }, metadata, callOptions, (failed, answer) => {
      events.push(failed ? `error ${failed.code}` : `value ${answer?.text}`);
      error = failed ?? undefined;
      value = answer;
    });
    call.on('metadata', (received: Metadata) => {
      headers = received;
      events.push('metadata');
    });
    call.on('status', (status: StatusObject) => {
      events.push(`status ${status.code}`);
      resolve({ value, error, metadata: headers, status, events });
    });
    onCall?.(call);
  });
}
