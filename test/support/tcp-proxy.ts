import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Stands between a client and a server, so that a test can break their connection. */
export interface TcpProxy {
  readonly address: string;
  /** Resets every connection that goes through it now. */
  drop(): void;
  /** Lets nothing more through the connections that go through it now, and does not close them: as a cable that is pulled. */
  stall(): void;
  /** Closes every connection that goes through it now, as the end of a process does. */
  end(): void;
  close(): void;
}

/** @param delayMs how long a new connection waits before anything goes through it */
export async function startTcpProxy(targetPort: number, delayMs = 0, host = '127.0.0.1'): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const listener = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined); // one side's reset is the other's end
    }
    const join = () => near.pipe(far).pipe(near);
    if (delayMs === 0) join();
    else setTimeout(join, delayMs);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    const forget = () => {
      sockets.delete(near);
      sockets.delete(far);
    };
    near.on('close', forget);
  });
  await new Promise<void>((resolve) => listener.listen(0, host, resolve));
  const { port } = listener.address() as AddressInfo;
  const drop = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    address: `${host}:${port}`,
    drop,
    stall: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    end: () => {
      for (const socket of sockets) socket.destroy();
    },
    close: () => {
      drop();
      listener.close();
    },
  };
}
