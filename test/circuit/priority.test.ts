import { describe, expect, it } from 'vitest';
import { limitFor, type Priority } from '../../src/circuit/priority.js';
import { Ramp } from '../../src/circuit/ramp.js';
import type { CircuitOptions } from '../../src/circuit/types.js';
import { engines } from '../support/engines.js';
import { type Bench, bench } from './harness.js';

/** How many calls of a priority are admitted, of so many that never end. */
function admitted({ circuit }: Bench, priority: Priority | undefined, calls = 50): number {
  let count = 0;
  for (let n = 0; n < calls; n++) if (circuit.acquire(priority).admitted) count++;
  return count;
}

const never: CircuitOptions = { trip: [{ rule: 'failure-rate', threshold: 1, minimumCalls: 100 }] };

describe('the limit for a priority', () => {
  it.each<[number, Priority, boolean, number]>([
    [20, 'low', false, 10],
    [20, 'low', true, 10],
    [5, 'low', false, 3],
    [1, 'low', false, 1],
    [20, 'normal', false, 20],
    [20, 'normal', true, 18],
    [5, 'normal', true, 4],
    [1, 'normal', true, 1],
    [20, 'high', true, 20],
    [1, 'high', true, 1],
  ])('%i, %s, with calls of high priority: %s', (limit, priority, hasHigh, expected) => {
    expect(limitFor(limit, priority, hasHigh)).toBe(expected);
  });
});

describe.each(engines)('a concurrency limit of the engine $name', ({ engine }) => {
  const limited = () => bench({ ...never, concurrency: { type: 'fixed', limit: 20 } }, { engine: engine() });

  it('is half for low, and all of it for others while no call is of high priority', () => {
    const b = limited();
    expect(admitted(b, 'low')).toBe(10);
    expect(admitted(b, undefined)).toBe(10);
    expect(b.circuit.acquire('high')).toMatchObject({ admitted: false, reason: 'CONCURRENCY_LIMIT' });
  });

  it('keeps its last tenth for high, once there are such calls', () => {
    const b = limited();
    b.circuit.acquire('high');
    expect(admitted(b, 'normal')).toBe(17);
    expect(admitted(b, 'low')).toBe(0);
    expect(admitted(b, 'high')).toBe(2);
  });

  it('is none without a limit', () => {
    const b = bench(never, { engine: engine() });
    for (const priority of ['low', 'normal', 'high'] as const) expect(admitted(b, priority)).toBe(50);
  });
});

describe('a throttle', () => {
  it.each<[Priority | undefined, number]>([
    ['low', 2],
    ['normal', 1],
    [undefined, 1],
    ['high', 0.5],
  ])('rejects %s with its probability times %s', (priority, factor) => {
    let draw = 0.999;
    const b = bench({ throttle: { windowMs: 12_000 } }, { random: () => draw });
    b.call('success', 20);
    b.call('failure', 50);
    const share = (70 - 2 * 20) / 71;
    draw = Math.min(0.9, share * factor) + 1e-9;
    expect(b.circuit.acquire(priority).admitted).toBe(true);
    draw = Math.min(0.9, share * factor) - 1e-9;
    expect(b.circuit.acquire(priority).admitted).toBe(false);
  });
});

describe('a ramp', () => {
  const trip = [{ rule: 'consecutive-failures', failures: 1 }] as const;
  const recovering = () => {
    const b = bench({ trip, open: { baseMs: 1_000, jitter: 'none' }, recovering: { initialShare: 0.01 } });
    b.call('failure');
    b.clock.advance(1_000);
    b.call('success');
    expect(b.circuit.state).toBe('recovering');
    return b;
  };

  it('lets low have half of what the answers allow, and high the last tenth', () => {
    const options = { initialShare: 1e-6, durationMs: 1e9 };
    const ramp = new Ramp(options, 0, 19); // a limit of twenty
    const count = (priority: Priority, hasHigh = false) => {
      let admitted = 0;
      while (ramp.admits(0, priority, hasHigh)) admitted++;
      return admitted;
    };
    expect(count('low')).toBe(10);
    expect(count('normal', true)).toBeLessThanOrEqual(9); // eight, and what the share by time lets out
    expect(count('high', true)).toBeGreaterThanOrEqual(1);
  });

  it('ends for a client whose calls are all low, and of which none hangs', () => {
    const b = recovering();
    for (let round = 0; round < 20 && b.circuit.state === 'recovering'; round++) {
      const out = Array.from({ length: 8 }, () => b.circuit.acquire('low'));
      for (const permit of out) if (permit.admitted) permit.settle('success', 10);
    }
    expect(b.circuit.state).toBe('closed');
  });
});

describe('execute()', () => {
  it('takes a priority, and refuses any other word', async () => {
    const b = bench({ ...never, concurrency: { type: 'fixed', limit: 2 } });
    b.admit();
    await expect(b.circuit.execute(async () => 1, { priority: 'low' })).rejects.toMatchObject({
      code: 'FAILSOFT_REJECTED',
    });
    expect(await b.circuit.execute(async () => 1, { priority: 'high' })).toBe(1);
    const wrong = JSON.parse('{"priority": "urgent"}');
    await expect(b.circuit.execute(async () => 1, wrong)).rejects.toThrow(
      'execute.priority: expected one of high, normal, low, got "urgent"',
    );
  });
});
