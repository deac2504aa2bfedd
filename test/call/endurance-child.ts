// Run by endurance.test.ts as a process of its own, which must end by itself: a timer or a call that is left behind would
// keep it alive for ten minutes.
import { Metadata } from '@grpc/grpc-js';
import { createGuard, defaultPrediction, FallbackRegistry } from '../../src/index.js';
import { echoClient, echoService } from '../support/echo-service.js';
import { callOnce } from '../support/every-kind.js';

const guard = createGuard({
  fallbacks: new FallbackRegistry().register(echoService.unary, [defaultPrediction({ text: 'default' })]),
});
const client = echoClient('127.0.0.1:9', { interceptors: [guard.interceptor] });
const codes: Record<string, number> = {};
for (const kind of ['unary', 'clientStream', 'serverStream', 'bidi'] as const) {
  guard.circuit(echoService[kind]).isolate();
  const calls = Array.from({ length: 250 }, () =>
    callOnce(client, kind, 'a', { deadline: Date.now() + 600_000 }),
  );
  for (const { code } of await Promise.all(calls)) {
    const name = `${kind} ${code}`;
    codes[name] = (codes[name] ?? 0) + 1;
  }
}
// And 250 unary calls that would rather have the error.
const rejected = Array.from(
  { length: 250 },
  () =>
    new Promise<void>((resolve) => {
      const options = { deadline: Date.now() + 600_000, failsoft: { fallback: false } };
      client.unary({ text: 'a' }, new Metadata(), options, () => resolve());
    }),
);
await Promise.all(rejected);
const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
const inFlight = guard.snapshots().reduce((sum, snapshot) => sum + snapshot.inFlight, 0);
console.log(JSON.stringify({ codes, timers, inFlight }));
// The client is not closed on purpose: an idle one does not keep a process alive, one with calls does.
