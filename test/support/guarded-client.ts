import type { Interceptor } from '@grpc/grpc-js';
import type { Guard, GuardOptions } from 'failsoft';
import { type EchoClient, type EchoServer, echoClient, startEchoServer } from './echo-service.js';
import { createGuard } from './guard.js';

/** A real server, and a client of it with a guard. */
export interface Guarded {
  readonly server: EchoServer;
  readonly guard: Guard;
  readonly client: EchoClient;
}

/**
 * @param closers get what closes all three, see `closedAfterEach()`
 * @param interceptorsOf the client's interceptors. @default the guard's alone
 */
export async function startGuarded(
  closers: (() => unknown)[],
  options: GuardOptions = {},
  interceptorsOf: (guard: Guard) => Interceptor[] = ({ interceptor }) => [interceptor],
): Promise<Guarded> {
  const server = await startEchoServer();
  const guard = createGuard(options);
  const client = echoClient(server.address, { interceptors: interceptorsOf(guard) });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  return { server, guard, client };
}
