import { describe, expect, it } from 'vitest';
import { consecutiveFailures } from '../../src/circuit/index.js';
import type { CircuitOptions } from '../../src/circuit/types.js';
import { bench } from './harness.js';

const OPTIONS: CircuitOptions = {
  trip: [consecutiveFailures({ failures: 3 })],
  open: { baseMs: 1000, jitter: 'none' },
  recovering: false,
};
const LOST = { lostConnection: true } as const;
const NOT_SENT = { notSent: true } as const;

describe('lost connections', () => {
  it('count once for the calls that were out when one was lost', () => {
    const b = bench(OPTIONS);
    const out = Array.from({ length: 20 }, () => b.admit());
    for (const permit of out) permit.settle('failure', 1, undefined, LOST);
    expect(b.circuit.snapshot()).toMatchObject({
      state: 'closed',
      consecutiveFailures: 1,
      window: { calls: 1, unhealthy: 1 },
      totals: { outcomes: { failure: 20 } },
    });
  });

  it('count each for calls that began after the last loss, at the very same moment too', () => {
    const b = bench(OPTIONS);
    for (let i = 0; i < 3; i++) b.admit().settle('failure', 1, undefined, LOST);
    expect(b.circuit.state).toBe('open');
  });
});

describe('a call that was not sent', () => {
  it('is a failure of a closed circuit, and gives a probe back', () => {
    const b = bench(OPTIONS);
    for (let i = 0; i < 3; i++) b.admit().settle('failure', 1, undefined, NOT_SENT);
    expect(b.circuit.snapshot()).toMatchObject({ state: 'open', openings: 1 });
    b.clock.advance(1000);
    b.admit().settle('failure', 1, undefined, NOT_SENT);
    expect(b.circuit.snapshot()).toMatchObject({ state: 'half-open', openings: 1 });
    b.admit().settle('failure', 1, undefined, LOST);
    expect(b.circuit.snapshot()).toMatchObject({ state: 'open', openings: 2 });
  });
});
