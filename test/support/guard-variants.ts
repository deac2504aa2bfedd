import { FallbackRegistry, type Guard, type KeyBy, perKey, perMethod } from 'failsoft';
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

/** Guards that must not be noticed. */
export const INVISIBLE: Readonly<Record<string, (keyBy: KeyBy) => Guard>> = {
  'a closed circuit': (keyBy) => createGuard({ keyBy, circuit: neverTrip() }),
  // Opens at the first failure, and still rejects nothing.
  'a circuit in observe': (keyBy) => createGuard({ keyBy, circuit: { ...tripAfter(1), mode: 'observe' } }),
  'a fallback that is not needed': (keyBy) =>
    // A client stream that fails while it is sent has its error that much later.
    createGuard({ keyBy, circuit: neverTrip(), fallbacks: decliningFallbacks(), abandonedAfterMs: 20 }),
  'a soft deadline after which no fallback answers': (keyBy) =>
    createGuard({
      keyBy,
      circuit: neverTrip(),
      fallbacks: decliningFallbacks(),
      fallbackAfterMs: 1,
      abandonedAfterMs: 20,
    }),
};

export const KEYS: Readonly<Record<string, KeyBy>> = {
  'per method': perMethod(),
  'by the request': perKey(({ request }) => (request as Message | undefined)?.text.slice(0, 4)),
};
