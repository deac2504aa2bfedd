import { failureRate } from '../../src/circuit/index.js';
import type { Circuit, CircuitOptions } from '../../src/circuit/types.js';
import type { Outcome } from '../../src/classify/outcome.js';
import type { CircuitEnvironment, Engine } from '../../src/engines/engine.js';
import { nativeEngine } from '../../src/engines/native.js';
import { opossumEngine } from '../../src/engines/opossum/index.js';
import type { Row, Sampler } from '../lib/row.js';
import { bytesPerThing, nsPerAsyncCall } from '../lib/samplers.js';

// The same circuit on both engines: `opossum` is the opossum engine here, not opossum alone.

const environment = (now: () => number): CircuitEnvironment => ({
  clock: { now, epochMs: now, setTimer: () => () => {} },
  random: Math.random,
  listener: { transition: () => {}, isolation: () => {} },
});

/** A call each millisecond into a window of a second: it always holds about a thousand calls. */
function make(engine: Engine, more: CircuitOptions = {}): { circuit: Circuit; tick: () => void } {
  let nowMs = 1_000_000;
  const circuit = engine.configure(
    {
      trip: [failureRate({ threshold: 1, minimumCalls: 1000 })],
      window: { type: 'time', durationMs: 1000, buckets: 10 },
      ...more,
    },
    'circuit',
  )(
    '/pkg.Service/Method',
    environment(() => nowMs),
  );
  return {
    circuit,
    tick: () => {
      nowMs += 1;
    },
  };
}

const CALLS = 100;

/** In turns of a hundred calls, so that an engine's microtasks are counted too. */
function nsPerTurn(call: (index: number) => void): Sampler {
  let index = 0;
  const turn = nsPerAsyncCall(async () => {
    for (let i = 0; i < CALLS; i++) call(index++);
  });
  return async () => (await turn()) / CALLS;
}

function calls(engine: Engine, outcomeOf: (index: number) => Outcome): Sampler {
  const { circuit, tick } = make(engine);
  return nsPerTurn((index) => {
    const permit = circuit.acquire();
    if (permit.admitted) permit.settle(outcomeOf(index), 12.5);
    tick();
  });
}

const both = (subject: (engine: Engine) => Sampler) => () => ({
  ours: subject(nativeEngine),
  opossum: subject(opossumEngine()),
});

function rejections(engine: Engine): Sampler {
  const { circuit } = make(engine, {
    trip: [failureRate({ threshold: 0.5, minimumCalls: 1 })],
    open: { baseMs: 1e9, ...(engine.capabilities.openTimeBackoff && { jitter: 'none', maxMs: 1e9 }) },
  });
  const permit = circuit.acquire();
  if (permit.admitted) permit.settle('failure', 1);
  if (circuit.state !== 'open') throw new Error('the circuit should be open');
  return nsPerTurn(() => {
    circuit.acquire();
  });
}

/** A circuit with the defaults of its engine that has had a call. */
function idle(engine: Engine): Sampler {
  const factory = engine.configure(undefined, 'circuit');
  return bytesPerThing(
    1000,
    (index) => {
      const circuit = factory(`/pkg.Service/Method${index}`, environment(Date.now));
      const permit = circuit.acquire();
      if (permit.admitted) permit.settle('success', 1);
      return circuit;
    },
    (circuit) => circuit.close?.(),
  );
}

export const rows: readonly Row[] = [
  {
    name: 'engine.acquire-settle.closed',
    unit: 'ns',
    open: both((engine) => calls(engine, () => 'success')),
  },
  {
    name: 'engine.record-failure.window-1000',
    unit: 'ns',
    open: both((engine) => calls(engine, (index) => (index % 500 === 0 ? 'success' : 'failure'))),
  },
  { name: 'engine.reject.open', unit: 'ns', open: both(rejections) },
  { name: 'engine.memory.idle', unit: 'bytes', open: both(idle) },
];
