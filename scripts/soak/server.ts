import { networkInterfaces } from 'node:os';
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { APPLICATION, type Message, soakService, TENANT } from './service.js';

export type Fault = { readonly code: status; readonly details: string };
/** What becomes of a call: it is served (at once or later), fails, or is never answered. */
export type Fate =
  | { readonly kind: 'served'; readonly afterMs: number }
  | { readonly kind: 'failed'; readonly fault: Fault }
  | { readonly kind: 'hung' };

export interface ServerOptions {
  /** Decides about each call. */
  readonly fate: (model: string, metadata: Metadata) => Fate;
}

type Unary = (call: ServerUnaryCall<Message, Message>, callback: sendUnaryData<Message>) => void;

/** Only Linux has a whole network of loopback addresses, and a sandbox may narrow it down. */
const hasLoopbackNetwork =
  process.platform === 'linux' &&
  Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address, netmask }) => address === '127.0.0.1' && netmask === '255.0.0.0'),
  );

/** An address of this process alone, where there is one: while a server is down, no other process may bind its port. */
export const OWN_HOST = hasLoopbackNetwork
  ? `127.${128 + ((process.pid >> 16) & 63)}.${(process.pid >> 8) & 255}.${process.pid & 255}`
  : '127.0.0.1';

/** A real server of the soak's service. It dies with its connections, and starts again at the same port. */
export class SoakServer {
  readonly #options: ServerOptions;
  #server: Server | undefined;
  #port = 0;

  private constructor(options: ServerOptions) {
    this.#options = options;
  }

  static async start(options: ServerOptions): Promise<SoakServer> {
    const server = new SoakServer(options);
    await server.restart();
    return server;
  }

  get address(): string {
    return `${OWN_HOST}:${this.#port}`;
  }

  /** Ends it with all connections and calls. */
  kill(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  async restart(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = new Server();
    server.addService(soakService, handlers(this.#options));
    this.#server = server;
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`${OWN_HOST}:${this.#port}`, ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
  }
}

function handlers({ fate }: ServerOptions) {
  const decide = (model: string, metadata: Metadata, serve: () => void, fail: (fault: Error) => void) => {
    const decided = fate(model, metadata);
    if (decided.kind === 'failed') fail(Object.assign(new Error(decided.fault.details), decided.fault));
    else if (decided.kind === 'served' && decided.afterMs === 0) serve();
    else if (decided.kind === 'served') setTimeout(serve, decided.afterMs);
    // hung: never answered
  };
  const unary: Unary = (call, callback) => {
    const model = text(call.metadata, APPLICATION) ?? call.request.model_name;
    const answer = {
      model_name: model,
      tenant: text(call.metadata, TENANT) ?? '',
      text: call.request.text,
    };
    decide(model, call.metadata, () => callback(null, answer), callback);
  };
  return {
    unary,
    infer: unary,
    predict: unary,
    score: unary,
    clientStream: (call: ServerReadableStream<Message, Message>, callback: sendUnaryData<Message>) => {
      let last: Message = { model_name: '', tenant: '', text: 'none' };
      call.on('error', () => undefined); // the caller has gone
      call.on('data', (message: Message) => {
        last = message;
      });
      decide('', call.metadata, () => call.on('end', () => callback(null, last)), callback);
    },
    serverStream: (call: ServerWritableStream<Message, Message>) => {
      call.on('error', () => undefined);
      const serve = () => {
        for (let index = 0; index < 5; index++) call.write(call.request);
        call.end();
      };
      decide('', call.metadata, serve, (error) => {
        if (call.request.text.endsWith('1')) call.write(call.request);
        call.emit('error', error);
      });
    },
    bidi: (call: ServerDuplexStream<Message, Message>) => {
      call.on('error', () => undefined);
      const serve = () => {
        call.on('data', (message: Message) => call.write(message));
        call.on('end', () => call.end());
      };
      decide('', call.metadata, serve, (error) => call.emit('error', error));
    },
  };
}

function text(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key)[0];
  return typeof value === 'string' ? value : undefined;
}

/** Serves most calls, and fails, delays or forgets some. */
export function faulty(random: () => number, details: string): Fate {
  const draw = random();
  if (draw < 0.75) return { kind: 'served', afterMs: 0 };
  if (draw < 0.87) return { kind: 'failed', fault: { code: status.UNAVAILABLE, details } };
  if (draw < 0.97) return { kind: 'served', afterMs: 1 + 20 * random() };
  return { kind: 'hung' };
}
