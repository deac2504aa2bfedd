import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { consecutiveFailures, failureRate, latencyPercentile, slowRate } from '../../src/circuit/index.js';
import type {
  CircuitMode,
  CircuitOptions,
  Circumstances,
  IsolationHandle,
  Permit,
} from '../../src/circuit/types.js';
import { OUTCOMES, type Outcome } from '../../src/classify/outcome.js';
import { seededRandom } from '../../src/testing/random.js';
import { inFull } from '../support/long.js';
import { expectProperty, integerFromEnvironment, runs, SEED } from '../support/properties.js';
import { type Bench, bench } from './harness.js';
import { Model, type ModelConfig, type ModelPermit } from './model.js';

/** Sequences, of 100 to 300 commands each; mutation testing runs them once per mutant, and asks for less. */
const SEQUENCES = integerFromEnvironment('FAILSOFT_MODEL_RUNS', inFull(3000, 500), 1, 10_000_000);
const RUNS = runs(SEQUENCES);

type Command =
  | { readonly do: 'acquire' }
  | {
      readonly do: 'settle';
      which: number;
      outcome: Outcome;
      durationMs: number;
      pushbackMs: number | undefined;
      circumstances: Circumstances | undefined;
    }
  | { readonly do: 'withdraw'; which: number }
  | { readonly do: 'advance'; ms: number }
  | { readonly do: 'isolate' }
  | { readonly do: 'release'; which: number }
  | { readonly do: 'mode'; mode: CircuitMode }
  | { readonly do: 'reset' }
  | { readonly do: 'reconfigure'; config: ModelConfig }
  | { readonly do: 'look' }
  | { readonly do: 'check' };

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const oneOf = <T>(...values: readonly T[]) => fc.constantFrom(...values);

const config: fc.Arbitrary<ModelConfig> = fc.record({
  consecutive: maybe(fc.integer({ min: 1, max: 5 })),
  failureRate: maybe(
    fc.record({ threshold: oneOf(0.25, 0.5, 0.9, 1), minimumCalls: fc.integer({ min: 1, max: 8 }) }),
  ),
  slowRate: maybe(
    fc.record({
      threshold: oneOf(0.5, 1),
      slowThresholdMs: oneOf(100, 200),
      minimumCalls: fc.integer({ min: 1, max: 8 }),
    }),
  ),
  latency: maybe(
    fc.record({
      percentile: oneOf(50, 90, 99),
      thresholdMs: oneOf(200, 300),
      minimumCalls: fc.integer({ min: 1, max: 8 }),
    }),
  ),
  window: fc.oneof(
    fc.record({ type: fc.constant('count' as const), size: fc.integer({ min: 8, max: 20 }) }),
    fc.record({
      type: fc.constant('time' as const),
      durationMs: oneOf(1000, 4000),
      buckets: oneOf(1, 4, 10),
    }),
  ),
  open: fc.record({
    baseMs: oneOf(500, 1000),
    multiplier: oneOf(1, 2),
    maxMs: oneOf(1000, 4000),
    jitter: oneOf<ModelConfig['open']['jitter']>('none', 'full', 'equal'),
    maxPushbackMs: oneOf(0, 2000),
  }),
  probes: fc
    .record({ permitted: fc.integer({ min: 1, max: 4 }), share: fc.double({ min: 0, max: 1, noNaN: true }) })
    .map(({ permitted, share }) => ({
      permitted,
      threshold: Math.max(1, Math.round(permitted * share)),
      timeoutMs: 700,
    })),
  ramp: maybe(fc.record({ durationMs: oneOf(500, 3000), initialShare: oneOf(0.1, 0.5, 1) })),
  limit: maybe(fc.integer({ min: 1, max: 5 })),
});

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 40, arbitrary: fc.record({ do: fc.constant('acquire' as const) }) },
  {
    weight: 40,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      which: fc.nat(40),
      outcome: fc.oneof(oneOf<Outcome>('success', 'failure'), oneOf(...OUTCOMES)),
      durationMs: oneOf(1, 50, 100, 150, 200, 250, 300, 400, Number.NaN, -3),
      pushbackMs: oneOf(undefined, undefined, undefined, 0, -1, Number.NaN, 1500, 10_000),
      circumstances: fc.oneof(
        { weight: 2, arbitrary: fc.constant(undefined) },
        fc.record<Circumstances>(
          {
            lostConnection: oneOf<Circumstances['lostConnection']>(true, 'perhaps', false),
            notSent: fc.boolean(),
            connecting: fc.boolean(),
            stalled: fc.boolean(),
          },
          { requiredKeys: [] },
        ),
      ),
    }),
  },
  {
    weight: 22,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: oneOf(0, 1, 40, 99, 250, 500, 700, 1000, 2500),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('withdraw' as const), which: fc.nat(5) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('isolate' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), which: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('mode' as const),
      mode: oneOf<CircuitMode>('enforce', 'enforce', 'observe', 'off'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconfigure' as const), config }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('look' as const) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('check' as const) }) },
);

function optionsOf(known: ModelConfig): CircuitOptions {
  const { probes, ramp, limit } = known;
  return {
    trip: [
      ...(known.consecutive === undefined ? [] : [consecutiveFailures({ failures: known.consecutive })]),
      ...(known.failureRate ? [failureRate(known.failureRate)] : []),
      ...(known.slowRate ? [slowRate(known.slowRate)] : []),
      ...(known.latency ? [latencyPercentile(known.latency)] : []),
    ],
    window: known.window,
    open: known.open,
    halfOpen: {
      permittedProbes: probes.permitted,
      successThreshold: probes.threshold,
      probeTimeoutMs: probes.timeoutMs,
    },
    recovering: ramp ?? false,
    concurrency: limit === undefined ? false : { type: 'fixed', limit },
  };
}

/** The circuit and the model side by side. */
class Pair {
  readonly real: Bench;
  readonly model: Model;
  readonly permits: [Permit, ModelPermit][] = [];
  readonly handles: IsolationHandle[] = [];

  constructor(known: ModelConfig, seed: number) {
    this.real = bench(optionsOf(known), { random: seededRandom(seed) });
    this.model = new Model(known, this.real.clock.now(), seededRandom(seed));
  }

  run(step: Command): void {
    const { real, model } = this;
    switch (step.do) {
      case 'acquire': {
        const got = real.circuit.acquire();
        const expected = model.acquire();
        if (!got.admitted) {
          expect(got).toEqual({ admitted: false, ...expected });
        } else {
          if ('reason' in expected) throw new Error(`admitted, but the model rejects: ${expected.reason}`);
          expect(got.probe).toBe(expected.probe);
          if (!expected.shadow) expect(got.generation).toBe(expected.generation);
          this.permits.push([got, expected]);
        }
        this.#probesWithinBounds();
        break;
      }
      case 'settle': {
        // the newest first, so that most calls end soon; settled ones stay in, to be settled again
        const pair = this.permits.at(-1 - (step.which % Math.max(1, this.permits.length)));
        if (!pair) break;
        const { outcome, durationMs, pushbackMs, circumstances } = step;
        pair[0].settle(outcome, durationMs, pushbackMs, circumstances);
        model.settle(pair[1], outcome, durationMs, pushbackMs, circumstances);
        break;
      }
      case 'withdraw': {
        const pair = this.permits.at(-1 - (step.which % Math.max(1, this.permits.length)));
        if (!pair) break;
        pair[0].withdraw();
        model.withdraw(pair[1]);
        break;
      }
      case 'advance':
        real.clock.advance(step.ms);
        model.advance(step.ms);
        break;
      case 'isolate':
        this.handles.push(real.circuit.isolate());
        model.isolations += 1;
        break;
      case 'release': {
        const [handle] = this.handles.splice(step.which % Math.max(1, this.handles.length), 1);
        if (!handle) break;
        handle.release();
        handle.release();
        model.isolations -= 1;
        break;
      }
      case 'mode':
        real.circuit.mode = step.mode;
        model.mode = step.mode;
        break;
      case 'reset':
        real.circuit.reset();
        model.reset();
        break;
      case 'reconfigure':
        real.circuit.reconfigure(optionsOf(step.config));
        model.reconfigure(step.config);
        break;
      case 'look':
        expect(real.circuit.state).toBe(model.look());
        break;
      case 'check':
        this.check();
    }
  }

  #probesWithinBounds(): void {
    const { model } = this;
    if (model.state !== 'half-open') return;
    const used = model.probes.filter(({ fate }) => fate !== 'given back').length;
    expect(used).toBeLessThanOrEqual(model.probeRules.permitted);
  }

  check(): void {
    const { real, model } = this;
    const snapshot = real.circuit.snapshot();
    const state = model.look();
    const held = model.held();
    const timed = model.latencies();
    const { correlated, connecting, stalled, notSent } = snapshot.totals;
    const slowMs = model.config.slowRate?.slowThresholdMs;
    expect({
      state: snapshot.state,
      mode: snapshot.mode,
      isolated: snapshot.isolated,
      generation: snapshot.generation,
      openings: snapshot.openings,
      openUntilMs: snapshot.openUntilMs,
      inFlight: snapshot.inFlight,
      calls: snapshot.window.calls,
      unhealthy: snapshot.window.unhealthy,
      slowRate: snapshot.window.slowRate,
      consecutiveFailures: snapshot.consecutiveFailures,
      outcomes: snapshot.totals.outcomes,
      rejected: snapshot.totals.rejected,
      admitted: snapshot.totals.admitted,
      stale: snapshot.totals.stale,
      opened: snapshot.totals.opened,
      discounts: { correlated, connecting, stalled, notSent },
      story: real.transitions.map(({ from, to, atMs }) => `${from} -> ${to} at ${atMs}`),
    }).toEqual({
      state,
      mode: model.mode,
      isolated: model.isolations,
      generation: model.generation,
      openings: model.openings,
      openUntilMs: state === 'open' ? model.untilMs : null,
      inFlight: model.permits.filter(({ settled, unrecorded }) => !settled && !unrecorded).length,
      calls: held.length,
      unhealthy: held.filter(({ outcome }) => outcome === 'failure' || outcome === 'overload').length,
      slowRate:
        slowMs === undefined
          ? null
          : timed.length === 0
            ? 0
            : timed.filter((durationMs) => durationMs > slowMs).length / timed.length,
      consecutiveFailures: model.consecutiveFailures(),
      outcomes: model.outcomes,
      rejected: {
        CIRCUIT_OPEN: 0,
        HALF_OPEN: 0,
        RECOVERING: 0,
        ISOLATED: 0,
        CONCURRENCY_LIMIT: 0,
        THROTTLED: 0,
        ...model.rejected,
      },
      admitted: model.admitted,
      stale: model.stale,
      opened: model.story.filter((line) => line.includes('-> open ')).length,
      discounts: model.discounts,
      story: model.story,
    });
    expect(snapshot.sinceMs).toBe(model.sinceMs);
  }

  /** Enough time and successes close it, whatever came before and whoever never settles. */
  expectNotStuck(): void {
    const { circuit, clock } = this.real;
    for (const handle of this.handles) handle.release();
    circuit.mode = 'enforce';
    // calls that never end hold their place under a limit; that is what a limit is
    for (const [permit] of this.permits) permit.settle('ignored', 1);
    for (let round = 0; round < 200 && circuit.state !== 'closed'; round++) {
      const answer = circuit.acquire();
      if (answer.admitted) answer.settle('success', 1);
      if (answer.admitted) clock.advance(50);
      else clock.advance(Math.max(1, answer.retryAfterMs));
    }
    expect(circuit.state).toBe('closed');
  }
}

const TRANSITIONS = [
  'closed -> open',
  'half-open -> closed',
  'half-open -> open',
  'half-open -> recovering',
  'open -> closed',
  'open -> half-open',
  'recovering -> closed',
  'recovering -> open',
];

describe('the circuit against a plain model of it', () => {
  it(`agrees over ${RUNS} random sequences (seed ${SEED})`, { timeout: 60_000 + RUNS * 100 }, () => {
    let commands = 0;
    const seen = new Set<string>();
    expectProperty(
      fc.property(
        config,
        fc.nat(),
        fc.array(command, { minLength: 100, maxLength: 300, size: 'max' }),
        (known, seed, steps) => {
          const pair = new Pair(known, seed);
          for (const step of steps) pair.run(step);
          pair.check();
          pair.expectNotStuck();
          commands += steps.length;
          for (const { from, to } of pair.real.transitions) seen.add(`${from} -> ${to}`);
        },
      ),
      SEQUENCES,
    );
    expect(commands).toBeGreaterThanOrEqual(RUNS * 100);
    // the sequences went everywhere
    if (RUNS >= 100) expect([...seen].sort()).toEqual(TRANSITIONS);
  });
});
