import { describe, expect, it } from 'vitest';
import { consecutiveFailures } from '../../src/circuit/index.js';
import type { Readiness, ReadinessCheck } from '../../src/recovery/check.js';
import type { RecoverySettings } from '../../src/recovery/options.js';
import { ReadinessWatch } from '../../src/recovery/watch.js';
import { type Bench, bench } from '../circuit/harness.js';

const SETTINGS: RecoverySettings = {
  check: undefined,
  intervalMs: undefined,
  timeoutMs: 1000,
  maxHoldMs: 60_000,
  probeWith: undefined,
  client: undefined,
  metadata: undefined,
};

/** Lets promises settle; no time passes. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

function setUp(ask: ReadinessCheck['ask'], scope: ReadinessCheck['scope'] = 'server') {
  const first = circuit('one');
  const { clock } = first;
  const answers: string[] = [];
  const warnings: string[] = [];
  const watch = new ReadinessWatch(clock, () => 0.5, {
    answered: ({ circuitKey }, answer) => answers.push(`${clock.now() - 1_000_000} ${circuitKey} ${answer}`),
    warn: (error, source) => warnings.push(`${source}: ${error instanceof Error ? error.message : error}`),
  });
  const check: ReadinessCheck = { name: 'test', scope, ask };
  const add = (b: Bench, settings: Partial<RecoverySettings> = {}) => {
    const { recovery, key } = b.circuit;
    if (recovery === undefined) throw new Error('no recovery');
    watch.add({
      circuitKey: key,
      method: '/a.B/C',
      keyPart: key,
      recovery,
      settings: { ...SETTINGS, ...settings },
      check,
    });
  };
  const advance = async (ms: number, step = 50) => {
    for (let passed = 0; passed < ms; passed += step) {
      clock.advance(step);
      await turns();
    }
  };
  return { first, clock, watch, add, advance, answers, warnings, circuit };
}

function circuit(key: string): Bench {
  const b = bench(
    { trip: [consecutiveFailures({ failures: 1 })], open: { baseMs: 10_000, jitter: 'none' } },
    { key },
  );
  b.call('failure');
  return b;
}

describe('readiness checks', () => {
  it('ask at once and then every half second, until the server is ready', async () => {
    const given: Readiness[] = ['no-answer', 'not-ready', 'ready'];
    const { first, add, advance, answers, clock } = setUp(() => given.shift() ?? 'no-answer');
    add(first);
    await advance(2000);
    expect(answers).toEqual(['50 one no-answer', '550 one not-ready', '1050 one ready']);
    expect(first.circuit.state).toBe('half-open');
    expect(clock.pendingTimers).toBe(0);
  });

  it('set no timer while nothing is open, and none after close', async () => {
    const { first, add, clock, watch } = setUp(() => 'no-answer');
    expect(clock.pendingTimers).toBe(0);
    add(first);
    expect(clock.pendingTimers).toBe(1);
    watch.close();
    expect(clock.pendingTimers).toBe(0);
    add(first);
    expect(clock.pendingTimers).toBe(0);
  });

  it('end when the open time is over, also without calls', async () => {
    const { first, add, advance, answers, clock } = setUp(() => 'no-answer');
    add(first);
    await advance(11_000);
    expect(answers.length).toBeGreaterThan(15);
    expect(clock.pendingTimers).toBe(0);
  });

  it('a check of a server is for all of its circuits', async () => {
    let asked = 0;
    const { first, add, advance } = setUp(() => {
      asked += 1;
      return 'ready';
    });
    const others = ['two', 'three'].map(circuit);
    add(first);
    for (const other of others) add(other);
    await advance(200);
    expect(asked).toBe(1);
    expect(first.circuit.state).toBe('half-open');
  });

  it('are at most ten in a second, and each circuit has its turn', async () => {
    const { first, add, advance, answers } = setUp(() => 'no-answer', 'circuit');
    add(first);
    const many = Array.from({ length: 40 }, (_, index) => circuit(`c${index}`));
    for (const b of many) add(b);
    await advance(4000);
    expect(answers.length).toBeLessThanOrEqual(41);
    expect(answers.length).toBeGreaterThanOrEqual(38);
    expect(new Set(answers.map((line) => line.split(' ')[1])).size).toBe(answers.length);
  });

  it('have a time limit of their own: a server that hangs gives no answer', async () => {
    let aborted = 0;
    const { first, add, advance, answers } = setUp(({ signal }) => {
      signal.addEventListener('abort', () => aborted++);
      return new Promise<Readiness>(() => {});
    });
    add(first);
    await advance(2000);
    expect(answers).toEqual(['1000 one no-answer']);
    expect(aborted).toBe(1);
    expect(first.circuit.state).toBe('open');
  });

  it('that throw are no answer, and are reported', async () => {
    const { first, add, advance, answers, warnings } = setUp(() => {
      throw new Error('broken');
    });
    add(first);
    await advance(100);
    expect(answers).toEqual(['50 one no-answer']);
    expect(warnings).toEqual(['readiness check test: broken']);
  });

  it('that answer with something else are no answer, and are reported', async () => {
    const { first, add, advance, answers, warnings } = setUp(() => JSON.parse('"perhaps"'));
    add(first);
    await advance(100);
    expect(answers).toEqual(['50 one no-answer']);
    expect(warnings).toEqual([
      'readiness check test: the answer: expected one of ready, not-ready, no-answer, unsupported, got "perhaps"',
    ]);
  });

  it('that the server does not support are given up, with one warning', async () => {
    const { first, add, advance, warnings, answers, clock } = setUp(() => 'unsupported');
    add(first);
    await advance(3000);
    add(circuit('two'));
    await advance(3000);
    expect(answers).toHaveLength(1);
    expect(warnings).toEqual([
      'readiness check test: the server of /a.B/C does not support this check, and is not asked again',
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('that report a change are made again at once', async () => {
    const given: Readiness[] = ['not-ready', 'ready'];
    let changed = () => {};
    const { first, add, advance, answers } = setUp((question) => {
      changed = question.changed;
      return given.shift() ?? 'no-answer';
    });
    add(first, { intervalMs: 5000 });
    await advance(500);
    changed();
    await advance(100);
    expect(answers).toEqual(['50 one not-ready', '550 one ready']);
    expect(first.circuit.state).toBe('half-open');
  });

  it('that wait for an answer end with close(), at once', async () => {
    const signals: AbortSignal[] = [];
    const { first, add, advance, clock, watch, answers } = setUp(({ signal }) => {
      signals.push(signal);
      return new Promise<Readiness>(() => {});
    });
    add(first);
    await advance(100);
    expect([signals[0]?.aborted, clock.pendingTimers]).toEqual([false, 1]);
    watch.close();
    expect([signals[0]?.aborted, clock.pendingTimers]).toEqual([true, 0]);
    await turns();
    expect(answers).toEqual([]);
  });

  it('go on after a report that throws, which is a warning', async () => {
    const { first, clock } = setUp(() => 'no-answer');
    const warnings: string[] = [];
    const watch = new ReadinessWatch(clock, () => 0.5, {
      answered: () => {
        throw new Error('a bug');
      },
      warn: (error) => warnings.push(String(error)),
    });
    const { recovery, key } = first.circuit;
    if (recovery === undefined) throw new Error('no recovery');
    const check: ReadinessCheck = { name: 'test', scope: 'server', ask: () => 'no-answer' };
    const what = { circuitKey: key, method: '/a.B/C', keyPart: '' };
    watch.add({ ...what, recovery, settings: SETTINGS, check });
    for (let n = 0; n < 20; n++) {
      clock.advance(50);
      await turns();
    }
    expect(warnings).toEqual(['Error: a bug', 'Error: a bug']);
    watch.close();
  });

  it('are not for circuits that the guard has dropped', async () => {
    const { first, clock } = setUp(() => 'no-answer');
    let asked = 0;
    const watch = new ReadinessWatch(clock, () => 0.5, { answered: () => {}, warn: () => {} });
    const { recovery, key } = first.circuit;
    if (recovery === undefined) throw new Error('no recovery');
    const check: ReadinessCheck = {
      name: 'test',
      scope: 'server',
      ask: () => {
        asked += 1;
        return 'no-answer';
      },
    };
    const what = { circuitKey: key, method: '/a.B/C', keyPart: '' };
    watch.add({ ...what, recovery, settings: SETTINGS, check, isGone: () => true });
    expect(watch.next()).toEqual(new Map());
    clock.advance(1000);
    await turns();
    expect([asked, clock.pendingTimers]).toEqual([0, 0]);
  });

  it('an answer after the circuit has opened again changes nothing', async () => {
    let answer: (readiness: Readiness) => void = () => {};
    const { first, add, advance } = setUp(() => new Promise<Readiness>((resolve) => (answer = resolve)));
    add(first, { timeoutMs: 60_000 });
    await advance(50);
    first.clock.advance(10_000);
    first.call('failure');
    answer('ready');
    await turns();
    expect(first.circuit.state).toBe('open');
  });
});

describe('the next checks', () => {
  it('are listed by the keys of the circuits: now while a check runs, and none while no circuit is open', async () => {
    const { first, clock, watch, add, advance } = setUp((): Readiness => 'not-ready');
    expect(watch.next()).toEqual(new Map());
    add(first);
    expect(watch.next()).toEqual(new Map([[first.circuit.key, clock.now()]]));
    await advance(50);
    const nextMs = watch.next().get(first.circuit.key) ?? 0;
    expect(nextMs).toBeGreaterThan(clock.now());
    first.circuit.reset();
    expect(watch.next()).toEqual(new Map());
    watch.close();
    expect(watch.next()).toEqual(new Map());

    const waiting = setUp(() => new Promise(() => undefined));
    waiting.add(waiting.first);
    await waiting.advance(100);
    expect(waiting.watch.next().get(waiting.first.circuit.key)).toBe(waiting.clock.now());
  });
});
