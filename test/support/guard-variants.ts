import { FallbackRegistry, type Guard, type GuardOptions, type KeyBy, perKey, perMethod } from 'failsoft';
import { echoService, type Message } from './echo-service.js';
import { createGuard, neverTrip, tripAfter } from './guard.js';

const declining = { name: 'default', answer: () => undefined } as const;

/** Registered for every method of the echo service, and never has an answer. */
export function decliningFallbacks(): FallbackRegistry {
  return new FallbackRegistry()
    .register(echoService.unary, [declining])
    .register(echoService.clientStream, [declining])
    .register(echoService.serverStream, [declining])
    .register(echoService.bidi, [declining]);
}

/** Fallbacks that are noticed as little as fallbacks can be. */
const HARDLY_NOTICED: GuardOptions = {
  fallbacks: decliningFallbacks(),
  // a client stream that fails while it is sent has its error that much later
  abandonedAfterMs: 20,
  // with a reserve, a stream without a message ends in the guard's words, and before its deadline
  fallbackReserveMs: 0,
};

/** Guards that must not be noticed. */
export const INVISIBLE: Readonly<Record<string, (keyBy: KeyBy) => Guard>> = {
  'a closed circuit': (keyBy) => createGuard({ keyBy, circuit: neverTrip() }),
  // Opens at the first failure, and still rejects nothing.
  'a circuit in observe': (keyBy) => createGuard({ keyBy, circuit: { ...tripAfter(1), mode: 'observe' } }),
  'a fallback that is not needed': (keyBy) => createGuard({ keyBy, circuit: neverTrip(), ...HARDLY_NOTICED }),
  'a soft deadline after which no fallback answers': (keyBy) =>
    createGuard({
      keyBy,
      circuit: neverTrip(),
      ...HARDLY_NOTICED,
      fallbackAfterMs: 1,
    }),
};

export const KEYS: Readonly<Record<string, KeyBy>> = {
  'per method': perMethod(),
  'by the request': perKey(({ request }) => (request as Message | undefined)?.text.slice(0, 4)),
};
