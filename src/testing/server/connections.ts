import { createServer, type Socket } from 'node:net';
import { type ConnectionInjector, type Server, ServerCredentials } from '@grpc/grpc-js';

/** The listening socket of a server and its connections, held here so that a fault can destroy one of them. */
export class Connections {
  readonly #sockets = new Map<string, Socket>();
  readonly #injector: ConnectionInjector;
  readonly #listener = createServer((socket) => this.#accept(socket));

  constructor(server: Server) {
    this.#injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** @returns the port. Rejects with Node's error (EADDRINUSE, EACCES, ...) */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#listener.once('error', reject);
      this.#listener.listen(port, host, () => {
        this.#listener.off('error', reject);
        const address = this.#listener.address();
        resolve(typeof address === 'object' && address ? address.port : port);
      });
    });
  }

  /** Destroys one connection, with a reset: what a client sees of a process that died. */
  drop(peer: string): void {
    this.#sockets.get(peer)?.resetAndDestroy();
  }

  /** Stops listening and ends what is left; the port is free when it resolves. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    this.#injector.destroy();
    for (const socket of this.#sockets.values()) socket.destroy();
    return closed;
  }

  /** As {@link close}, but with a reset for every connection. */
  kill(): Promise<void> {
    for (const socket of this.#sockets.values()) socket.resetAndDestroy();
    return this.close();
  }

  #accept(socket: Socket): void {
    // As grpc-js writes a peer.
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#sockets.set(peer, socket);
    socket.once('close', () => this.#sockets.delete(peer));
    this.#injector.injectConnection(socket);
  }
}
