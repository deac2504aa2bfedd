import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { type ConnectionInjector, type Server, ServerCredentials } from '@grpc/grpc-js';

/** The repository's certificate for 127.0.0.1: for drills only, its key is public. */
const TLS = new URL('../../../drill/tls/', import.meta.url);

/** The server's side of TLS. */
function tlsCredentials(): ServerCredentials {
  const file = (name: string) => readFileSync(new URL(name, TLS));
  return ServerCredentials.createSsl(null, [
    { private_key: file('drill.key'), cert_chain: file('drill.crt') },
  ]);
}

/** The root certificate that a client trusts. */
export function tlsRoot(): Buffer {
  return readFileSync(new URL('drill.crt', TLS));
}

/** The listening socket of a server and its connections, so that they can be reset. */
export class Listener {
  readonly #injector: ConnectionInjector;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => this.#accept(socket));
  /** The age at which a connection is reset, in milliseconds. */
  #resetAfterMs = Number.POSITIVE_INFINITY;

  constructor(server: Server, tls: boolean) {
    this.#injector = server.createConnectionInjector(
      tls ? tlsCredentials() : ServerCredentials.createInsecure(),
    );
  }

  /** @returns the port @throws Node's error, as a rejection, where it cannot listen */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        const address = this.#server.address();
        resolve(typeof address === 'object' && address ? address.port : port);
      });
    });
  }

  /** Resets every connection, as when a host on the way loses its state. */
  resetAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Takes no new connection and no new call. Resolves when the running calls are over, or after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#injector.drain(graceMs);
    await closed;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#limit(socket);
    this.#injector.injectConnection(socket);
  }

  /** Resets connections at this age; present connections count their age from now. Infinity: no connection is reset any more. */
  limitAge(ms: number): void {
    this.#resetAfterMs = ms;
    for (const socket of this.#sockets) this.#limit(socket);
  }

  #limit(socket: Socket): void {
    if (!Number.isFinite(this.#resetAfterMs)) return;
    setTimeout(() => {
      if (Number.isFinite(this.#resetAfterMs)) socket.resetAndDestroy();
    }, this.#resetAfterMs);
  }
}
