import { describe, expect, it } from 'vitest';
import { consecutiveFailures, failureRate, slowRate } from '../../src/circuit/index.js';
import type { CircuitOptions } from '../../src/circuit/types.js';
import type { Outcome } from '../../src/classify/outcome.js';
import { type Bench, bench } from './harness.js';

/**
 * What other circuit breakers document, set up with failsoft's options, where failsoft agrees. Where it does not, and
 * why, stands in docs/semantics.md. A script is a list of steps: an outcome with how often (and how long), a wait, or
 * a state that must hold.
 */
type Step =
  | readonly [outcome: Outcome, times: number, durationMs?: number]
  | { readonly waitMs: number }
  | { readonly state: 'closed' | 'open' | 'half-open' }
  | { readonly rejects: number };

function play(b: Bench, steps: readonly Step[]): void {
  for (const step of steps) {
    if ('waitMs' in step) b.clock.advance(step.waitMs);
    else if ('state' in step) expect(b.circuit.state).toBe(step.state);
    else if ('rejects' in step) for (let i = 0; i < step.rejects; i++) b.reject();
    else b.call(...step);
  }
}

const plain = { recovering: false } as const;
const open = (baseMs: number) => ({ baseMs, multiplier: 1, maxMs: baseMs, jitter: 'none' }) as const;

type Row = readonly [what: string, options: CircuitOptions, steps: readonly Step[]];

const resilience4j: readonly Row[] = [
  [
    'failure rate at or above the threshold opens; fewer than the minimum number of calls never do, whatever their rate',
    {
      ...plain,
      trip: [failureRate({ threshold: 0.5, minimumCalls: 10 })],
      window: { type: 'count', size: 10 },
    },
    [['failure', 9], { state: 'closed' }, ['success', 1], { state: 'open' }],
  ],
  [
    'the count-based window forgets its oldest call when it is full',
    {
      ...plain,
      trip: [failureRate({ threshold: 0.5, minimumCalls: 4 })],
      window: { type: 'count', size: 4 },
    },
    [
      ['success', 3],
      ['failure', 1],
      ['success', 3],
      ['failure', 1],
      { state: 'closed' },
      ['failure', 1],
      { state: 'open' },
    ],
  ],
  [
    'the time-based window forgets calls by age',
    {
      ...plain,
      trip: [failureRate({ threshold: 0.5, minimumCalls: 4 })],
      window: { type: 'time', durationMs: 10_000, buckets: 10 },
    },
    [
      ['failure', 3],
      { waitMs: 10_000 },
      ['failure', 3],
      { state: 'closed' },
      ['failure', 1],
      { state: 'open' },
    ],
  ],
  [
    'slow calls open it though they all succeed',
    {
      ...plain,
      trip: [slowRate({ threshold: 1, slowThresholdMs: 2000, minimumCalls: 5 })],
      window: { type: 'count', size: 10 },
    },
    [['success', 4, 3000], { state: 'closed' }, ['success', 1, 3000], { state: 'open' }],
  ],
  [
    'ignored exceptions are neither a success nor a failure',
    {
      ...plain,
      trip: [failureRate({ threshold: 0.5, minimumCalls: 4 })],
      window: { type: 'count', size: 4 },
    },
    [['failure', 3], ['ignored', 100], { state: 'closed' }, ['success', 1], { state: 'open' }],
  ],
  [
    'waits in the open state, then permits so many calls in half-open',
    {
      ...plain,
      trip: [failureRate({ threshold: 0.5, minimumCalls: 4 })],
      window: { type: 'count', size: 4 },
      open: open(60_000),
      halfOpen: { permittedProbes: 3, successThreshold: 2 },
    },
    [
      ['failure', 4],
      { waitMs: 59_999 },
      { state: 'open' },
      { rejects: 3 },
      { waitMs: 1 },
      { state: 'half-open' },
      ['success', 2],
      { state: 'closed' },
    ],
  ],
];

const gobreaker: readonly Row[] = [
  [
    'trips by default on more than five failures in a row: consecutive with six',
    { ...plain, trip: [consecutiveFailures({ failures: 6 })], open: open(60_000) },
    [
      ['failure', 5],
      { state: 'closed' },
      ['success', 1],
      ['failure', 5],
      { state: 'closed' },
      ['failure', 1],
      { state: 'open' },
    ],
  ],
  [
    'half-open after the timeout; as many successes in a row as MaxRequests close it',
    {
      ...plain,
      trip: [consecutiveFailures({ failures: 1 })],
      open: open(60_000),
      halfOpen: { permittedProbes: 3 },
    },
    [
      ['failure', 1],
      { waitMs: 60_000 },
      { state: 'half-open' },
      ['success', 2],
      { state: 'half-open' },
      ['success', 1],
      { state: 'closed' },
    ],
  ],
  [
    'one failure in half-open opens it again',
    {
      ...plain,
      trip: [consecutiveFailures({ failures: 1 })],
      open: open(60_000),
      halfOpen: { permittedProbes: 3 },
    },
    [['failure', 1], { waitMs: 60_000 }, ['success', 2], ['failure', 1], { state: 'open' }, { rejects: 1 }],
  ],
];

const failsafeGo: readonly Row[] = [
  [
    'a failure threshold of so many in a row',
    { ...plain, trip: [consecutiveFailures({ failures: 3 })], open: open(1000) },
    [['failure', 2], ['success', 1], ['failure', 2], { state: 'closed' }, ['failure', 1], { state: 'open' }],
  ],
  [
    'a failure threshold of so many out of the last so many',
    {
      ...plain,
      trip: [failureRate({ threshold: 0.6, minimumCalls: 5 })],
      window: { type: 'count', size: 5 },
    },
    [['success', 2], ['failure', 3], { state: 'open' }],
  ],
  [
    'a success threshold ratio decides half-open as early as it is certain: two failures of five make four successes impossible',
    {
      ...plain,
      trip: [consecutiveFailures({ failures: 1 })],
      open: open(1000),
      halfOpen: { permittedProbes: 5, successThreshold: 4 },
    },
    [
      ['failure', 1],
      { waitMs: 1000 },
      ['success', 1],
      ['failure', 1],
      { state: 'half-open' },
      ['failure', 1],
      { state: 'open' },
    ],
  ],
];

const polly: readonly Row[] = [
  [
    'breaks on a failure ratio over a sampling duration with a minimum throughput',
    {
      ...plain,
      trip: [failureRate({ threshold: 0.1, minimumCalls: 100 })],
      window: { type: 'time', durationMs: 30_000 },
      open: open(5000),
    },
    [['success', 90], ['failure', 9], { state: 'closed' }, ['failure', 1], { state: 'open' }],
  ],
  [
    'after the break one action goes through: success closes',
    { ...plain, trip: [consecutiveFailures({ failures: 2 })], open: open(5000) },
    [['failure', 2], { waitMs: 5000 }, { state: 'half-open' }, ['success', 1], { state: 'closed' }],
  ],
  [
    'and a failure breaks for the whole duration again',
    { ...plain, trip: [consecutiveFailures({ failures: 2 })], open: open(5000) },
    [
      ['failure', 2],
      { waitMs: 5000 },
      ['failure', 1],
      { waitMs: 4999 },
      { state: 'open' },
      { waitMs: 1 },
      { state: 'half-open' },
    ],
  ],
];

const hystrix: readonly Row[] = [
  [
    'nineteen requests in ten seconds do not open it though all fail; the twentieth does',
    {
      ...plain,
      trip: [failureRate({ threshold: 0.5, minimumCalls: 20 })],
      window: { type: 'time', durationMs: 10_000, buckets: 10 },
      open: open(5000),
    },
    [['failure', 19], { state: 'closed' }, ['failure', 1], { state: 'open' }],
  ],
  [
    'after the sleep window a single request is let through',
    {
      ...plain,
      trip: [failureRate({ threshold: 0.5, minimumCalls: 20 })],
      window: { type: 'time', durationMs: 10_000, buckets: 10 },
      open: open(5000),
    },
    [
      ['failure', 20],
      { waitMs: 4999 },
      { rejects: 1 },
      { waitMs: 1 },
      ['failure', 1],
      { rejects: 1 },
      { waitMs: 5000 },
      ['success', 1],
      { state: 'closed' },
    ],
  ],
  [
    'a healthy circuit starts with empty statistics after it closed',
    {
      ...plain,
      trip: [failureRate({ threshold: 0.5, minimumCalls: 20 })],
      window: { type: 'time', durationMs: 10_000, buckets: 10 },
      open: open(5000),
    },
    [
      ['failure', 20],
      { waitMs: 5000 },
      ['success', 1],
      ['failure', 19],
      { state: 'closed' },
      ['failure', 1],
      { state: 'open' },
    ],
  ],
];

describe('the documented behaviour of other circuit breakers', () => {
  describe.each([
    ['resilience4j', resilience4j],
    ['gobreaker', gobreaker],
    ['failsafe-go', failsafeGo],
    ['Polly', polly],
    ['Hystrix', hystrix],
  ] as const)('%s', (_library, rows) => {
    it.each(rows)('%s', (_what, options, steps) => {
      play(bench(options), steps);
    });
  });
});
