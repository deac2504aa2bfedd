import type { Interceptor } from '@grpc/grpc-js';
import type { CircuitOptions, Guard, GuardOptions } from 'failsoft';
import { type EchoClient, type EchoServer, echoClient, startEchoServer } from './echo-service.js';
import { createGuard, openFor, tripAfter } from './guard.js';

/** A real server, and a client of it with a guard. */
export interface Guarded {
  readonly server: EchoServer;
  readonly guard: Guard;
  readonly client: EchoClient;
}

/** Opens at the second failure, and stays open. */
export const opensSoon = (): CircuitOptions => ({ ...tripAfter(2), ...openFor(600_000) });

/** @param closers get what closes it */
export function startGuard(closers: (() => unknown)[], options: GuardOptions = {}): Guard {
  const guard = createGuard(options);
  closers.push(() => guard.close());
  return guard;
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
  const guard = startGuard(closers, options);
  const client = echoClient(server.address, { interceptors: interceptorsOf(guard) });
  closers.push(
    () => server.close(),
    () => client.close(),
  );
  return { server, guard, client };
}
