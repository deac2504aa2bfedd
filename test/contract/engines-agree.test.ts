import { failureRate } from 'failsoft';
import { opossumEngine } from 'failsoft/opossum';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type {
  CircuitMode,
  CircuitOptions,
  IsolationHandle,
  Permit,
  Rejection,
} from '../../src/circuit/types.js';
import { OUTCOMES } from '../../src/classify/outcome.js';
import { type Bench, bench } from '../circuit/harness.js';
import { expectProperty } from '../support/properties.js';

const command = fc.oneof(
  { weight: 40, arbitrary: fc.record({ do: fc.constant('acquire' as const) }) },
  {
    weight: 35,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      which: fc.nat(30),
      outcome: fc.oneof(
        fc.constantFrom('success' as const, 'failure' as const),
        fc.constantFrom(...OUTCOMES),
      ),
    }),
  },
  {
    weight: 17,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: fc.constantFrom(0, 1, 299, 300, 699, 700, 1000, 2500),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'isolate' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'release' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('mode' as const),
      mode: fc.constantFrom<CircuitMode>('enforce', 'enforce', 'observe', 'off'),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'reset' as const }) },
  // not after each command: a look lets time pass
  { weight: 8, arbitrary: fc.constant({ do: 'look' as const }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** What both can do. A window that never rolls, as opossum judges only failures, and failsoft every outcome. */
const common = (threshold: number, limit: number | undefined): CircuitOptions => ({
  window: { type: 'time', durationMs: 1e9 },
  trip: [failureRate({ threshold, minimumCalls: 1 })],
  halfOpen: { probeTimeoutMs: 700 },
  recovering: false,
  concurrency: limit === undefined ? false : { type: 'fixed', limit },
});

/** One engine's circuit, and what a caller sees of it. */
class Side {
  readonly #bench: Bench;
  readonly #permits: Permit[] = [];
  readonly #handles: IsolationHandle[] = [];

  constructor(made: Bench) {
    this.#bench = made;
  }

  do(what: Command): unknown {
    const { circuit, clock } = this.#bench;
    switch (what.do) {
      case 'acquire':
        return this.#seen(circuit.acquire());
      case 'settle':
        // twice now and then: the permit stays in the list
        return this.#permits.at(what.which % (this.#permits.length || 1))?.settle(what.outcome, 5);
      case 'advance':
        return clock.advance(what.ms);
      case 'isolate':
        return void this.#handles.push(circuit.isolate());
      case 'release':
        return this.#handles.pop()?.release();
      case 'mode':
        circuit.mode = what.mode;
        return undefined;
      case 'reset':
        return circuit.reset();
      case 'look':
        return this.#snapshot();
    }
  }

  #seen(answer: Permit | Rejection): unknown {
    if (!answer.admitted) return answer;
    this.#permits.push(answer);
    return { admitted: true, probe: answer.probe };
  }

  #snapshot(): unknown {
    const { window, ...known } = this.#bench.circuit.snapshot();
    const { state, openings, openUntilMs, inFlight, isolated, totals, lastTrip } = known;
    // opossum counts probes, too
    const held = state === 'closed' && [window.calls, window.unhealthy, known.consecutiveFailures];
    return { state, openings, openUntilMs, inFlight, isolated, totals, held, trippedAtMs: lastTrip?.atMs };
  }
}

it('both engines do the same in what both can do', () => {
  const property = fc.property(
    fc.constantFrom(0.3, 0.6, 0.9, 1),
    fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    fc.array(command, { minLength: 50, maxLength: 200, size: 'max' }),
    (threshold, limit, commands) => {
      const options = common(threshold, limit);
      const plain = { baseMs: 1000, multiplier: 1, jitter: 'none', maxPushbackMs: 0 } as const;
      const native = new Side(bench({ ...options, open: plain }));
      const opossum = new Side(bench({ ...options, open: { baseMs: 1000 } }, { engine: opossumEngine() }));
      for (const what of [...commands, { do: 'look' } as const]) {
        expect(opossum.do(what)).toEqual(native.do(what));
      }
    },
  );
  expectProperty(property, 600);
});
