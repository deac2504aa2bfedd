import {
  BrokenCircuitError,
  ConsecutiveBreaker,
  CountBreaker,
  circuitBreaker,
  handleAll,
  SamplingBreaker,
} from 'cockatiel';
import CircuitBreaker from 'opossum';
import { consecutiveFailures, failureRate, latencyPercentile, slowRate } from '../../src/circuit/index.js';
import type { Circuit, CircuitOptions } from '../../src/circuit/types.js';
import type { Outcome } from '../../src/classify/outcome.js';
import { systemClock } from '../../src/clock.js';
import { nativeEngine } from '../../src/engines/native.js';
import type { Row } from '../lib/row.js';
import { bytesPerCall, bytesPerThing, msToMake, nsPerAsyncCall, nsPerCall } from '../lib/samplers.js';

const environment = {
  clock: systemClock,
  random: Math.random,
  listener: { transition: () => {}, isolation: () => {} },
};

function native(options: CircuitOptions = {}): Circuit {
  return nativeEngine.configure(options, 'circuit')('/pkg.Service/Method', environment);
}

function once(circuit: Circuit, outcome: Outcome): void {
  const permit = circuit.acquire();
  if (permit.admitted) permit.settle(outcome, 12.5);
}

const answer = async () => 1;
const failure = new Error('model failed');
const fail = async () => {
  throw failure;
};
const ignore = () => {};

/** The calls below which opossum never opens, for rows that must stay closed. */
const NEVER = Number.MAX_SAFE_INTEGER;
const closedOpossum = (action: () => Promise<unknown>) =>
  new CircuitBreaker(action, { timeout: false, volumeThreshold: NEVER });

const allRules: CircuitOptions = {
  window: { type: 'time', durationMs: 10_000, buckets: 10 },
  trip: [
    consecutiveFailures({ failures: 5 }),
    failureRate({ threshold: 0.5, minimumCalls: 20 }),
    slowRate({ threshold: 0.8, slowThresholdMs: 200, minimumCalls: 20 }),
    latencyPercentile({ percentile: 99, thresholdMs: 300, minimumCalls: 100 }),
  ],
};

const closed: Row = {
  name: 'circuit.acquire-settle.closed',
  unit: 'ns',
  peersAtLeast: { opossum: 5, cockatiel: 2 },
  open: () => {
    const ours = native();
    const opossum = closedOpossum(answer);
    const cockatiel = circuitBreaker(handleAll, {
      halfOpenAfter: 5000,
      breaker: new CountBreaker({ threshold: 0.5, size: 100 }),
    });
    return {
      ours: nsPerCall(() => once(ours, 'success')),
      opossum: nsPerAsyncCall(() => opossum.fire()),
      cockatiel: nsPerAsyncCall(() => cockatiel.execute(answer)),
      close: () => opossum.shutdown(),
    };
  },
};

const execute: Row = {
  name: 'circuit.execute.closed',
  unit: 'ns',
  peersAtLeast: { opossum: 1, cockatiel: 1 },
  open: () => {
    const ours = native();
    const opossum = closedOpossum(answer);
    const cockatiel = circuitBreaker(handleAll, {
      halfOpenAfter: 5000,
      breaker: new CountBreaker({ threshold: 0.5, size: 100 }),
    });
    return {
      ours: nsPerAsyncCall(() => ours.execute(answer)),
      floor: nsPerAsyncCall(answer),
      opossum: nsPerAsyncCall(() => opossum.fire()),
      cockatiel: nsPerAsyncCall(() => cockatiel.execute(answer)),
      close: () => opossum.shutdown(),
    };
  },
};

const allocation: Row = {
  name: 'circuit.acquire-settle.allocated',
  unit: 'bytes',
  budget: 64,
  open: () => {
    const ours = native();
    return { ours: bytesPerCall(100_000, () => once(ours, 'success')) };
  },
};

const everyRule: Row = {
  name: 'circuit.acquire-settle.all-rules',
  unit: 'ns',
  peersAtLeast: { opossum: 2, cockatiel: 1 },
  open: () => {
    const ours = native(allRules);
    const opossum = closedOpossum(answer);
    const cockatiel = circuitBreaker(handleAll, {
      halfOpenAfter: 5000,
      breaker: new SamplingBreaker({ threshold: 0.5, duration: 10_000 }),
    });
    return {
      ours: nsPerCall(() => once(ours, 'success')),
      opossum: nsPerAsyncCall(() => opossum.fire()),
      cockatiel: nsPerAsyncCall(() => cockatiel.execute(answer)),
      close: () => opossum.shutdown(),
    };
  },
};

const reject: Row = {
  name: 'circuit.reject.open',
  unit: 'ns',
  budgetOfFloor: 1.5,
  peersAtLeast: { opossum: 50, cockatiel: 50 },
  open: async () => {
    const ours = native({ trip: [consecutiveFailures({ failures: 1 })], open: { baseMs: 1e9 } });
    once(ours, 'failure');
    if (ours.state !== 'open') throw new Error('the circuit should be open');
    const opossum = new CircuitBreaker(answer, { timeout: false, resetTimeout: 2 ** 31 - 1 });
    opossum.open();
    const cockatiel = circuitBreaker(handleAll, { halfOpenAfter: 1e9, breaker: new ConsecutiveBreaker(1) });
    await cockatiel.execute(fail).catch(ignore);
    const refused = await cockatiel.execute(answer).catch((error: unknown) => error);
    if (!(refused instanceof BrokenCircuitError)) throw new Error('cockatiel should be open');
    return {
      ours: nsPerCall(() => {
        ours.acquire();
      }),
      // a rejection must read the clock: this is the cost of that alone
      floor: nsPerCall(() => {
        systemClock.now();
      }),
      opossum: nsPerAsyncCall(() => opossum.fire().catch(ignore)),
      cockatiel: nsPerAsyncCall(() => cockatiel.execute(answer).catch(ignore)),
      close: () => opossum.shutdown(),
    };
  },
};

const recordFailure: Row = {
  name: 'circuit.record-failure.window-1000',
  unit: 'ns',
  peersAtLeast: { opossum: 100, cockatiel: 2 },
  open: async () => {
    // a threshold of 1, and always one healthy call in the window: full, and never open
    const ours = native({
      window: { type: 'count', size: 1000 },
      trip: [failureRate({ threshold: 1, minimumCalls: 1000 })],
    });
    let calls = 0;
    const opossum = closedOpossum(fail);
    const cockatiel = circuitBreaker(handleAll, {
      halfOpenAfter: 5000,
      breaker: new CountBreaker({ threshold: 0.999, size: 1000 }),
    });
    let cockatielCalls = 0;
    for (let i = 0; i < 1000; i++) once(ours, i % 500 === 0 ? 'success' : 'failure');
    for (let i = 0; i < 1000; i++) await opossum.fire().catch(ignore);
    return {
      ours: nsPerCall(() => once(ours, calls++ % 500 === 0 ? 'success' : 'failure')),
      opossum: nsPerAsyncCall(() => opossum.fire().catch(ignore)),
      cockatiel: nsPerAsyncCall(() =>
        cockatiel.execute(cockatielCalls++ % 500 === 0 ? answer : fail).catch(ignore),
      ),
      close: () => {
        opossum.shutdown();
        if (ours.state !== 'closed') throw new Error('the circuit should have stayed closed');
      },
    };
  },
};

/** A circuit that has had a call, so that everything that it makes at its first call is there. */
const usedNative = (index: number) => {
  const circuit = factory(`/pkg.Service/Method${index}`, environment);
  once(circuit, 'success');
  return circuit;
};
const factory = nativeEngine.configure({}, 'circuit');
const makeCockatiel = () =>
  circuitBreaker(handleAll, {
    halfOpenAfter: 5000,
    breaker: new CountBreaker({ threshold: 0.5, size: 100 }),
  });

const memory: Row = {
  name: 'circuit.memory.idle',
  unit: 'bytes',
  budget: 1024,
  open: () => ({
    ours: bytesPerThing(10_000, usedNative),
    opossum: bytesPerThing(
      500,
      () => closedOpossum(answer),
      (breaker) => breaker.shutdown(),
    ),
    cockatiel: bytesPerThing(10_000, makeCockatiel),
  }),
};

const create: Row = {
  name: 'circuit.create.100k',
  unit: 'ms',
  peersAtLeast: { opossum: 2 },
  open: () => {
    // opossum sets timers for each circuit: only a thousand are made, and the figure is scaled
    const opossum = msToMake(
      1000,
      () => closedOpossum(answer),
      (breaker) => breaker.shutdown(),
    );
    return {
      ours: msToMake(100_000, (index) => factory(`/pkg.Service/Method${index}`, environment)),
      opossum: async () => 100 * (await opossum()),
      cockatiel: msToMake(100_000, makeCockatiel),
    };
  },
};

export const rows: readonly Row[] = [
  closed,
  allocation,
  execute,
  everyRule,
  reject,
  recordFailure,
  memory,
  create,
];
