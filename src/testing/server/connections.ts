import { createServer, type Socket } from 'node:net';
import { type ConnectionInjector, type Server, ServerCredentials } from '@grpc/grpc-js';

/** The listening socket of a server and its connections, so that a fault can destroy a connection. */
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

  /** Destroys a connection with a reset, as the death of a process does. */
  drop(peer: string): void {
    this.#sockets.get(peer)?.resetAndDestroy();
  }

  /** Stops listening and ends all connections; the port is free when it resolves. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    this.#injector.destroy();
    for (const socket of this.#sockets.values()) socket.destroy();
    return closed;
  }

  /** Like {@link close}, but resets every connection. */
  kill(): Promise<void> {
    for (const socket of this.#sockets.values()) socket.resetAndDestroy();
    return this.close();
  }

  #accept(socket: Socket): void {
    // The form in which grpc-js gives a peer.
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#sockets.set(peer, socket);
    socket.once('close', () => this.#sockets.delete(peer));
    this.#injector.injectConnection(socket);
  }
}
