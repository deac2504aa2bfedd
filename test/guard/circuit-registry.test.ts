import {
  consecutiveFailures,
  createGuard,
  type Engine,
  nativeEngine,
  perKey,
  perMethod,
  perModel,
} from 'failsoft';
import { opossumEngine } from 'failsoft/opossum';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import type { CircuitOptions } from '../../src/circuit/types.js';
import { CircuitRegistry } from '../../src/guard/circuit-registry.js';
import type { CircuitSetup } from '../../src/guard/line-options.js';
import { collectGarbage } from '../support/garbage.js';

const setup = (options: CircuitOptions): CircuitSetup => ({
  field: 'circuit',
  options,
  make: nativeEngine.configure(options, 'circuit'),
});

function make(max: number, withParent = false) {
  const clock = new ManualClock();
  const environment = {
    clock,
    random: () => 0.5,
    listener: { transition: () => undefined, isolation: () => undefined },
  };
  const circuit = setup({ trip: [consecutiveFailures({ failures: 1 })] });
  let resolved = 0;
  const registry = new CircuitRegistry(max, environment, () => {
    resolved += 1;
    return { circuit, parent: withParent ? circuit : undefined };
  });
  const line = registry.line('', '/s/M');
  const has = (part: string) => Array.from(registry.entries()).some(({ key }) => key === `/s/M#${part}`);
  return { registry, line, clock, has, resolved: () => resolved };
}

function open(line: ReturnType<typeof make>['line'], part: string): void {
  const permit = line.get(part).circuit.acquire();
  if (permit.admitted) permit.settle('failure', 1);
}

describe('the registry', () => {
  it('keeps one circuit per key for all lines', () => {
    const { registry, line, resolved } = make(10);
    const other = registry.line('', '/s/M');
    expect(line.get('a')).toBe(line.get('a'));
    expect(line.get('a')).not.toBe(line.get('b'));
    expect(other.get('a')).toBe(line.get('a'));
    expect(registry.size).toBe(2);
    expect(resolved()).toBe(1);
  });

  it('holds no evicted circuit for the lines that used it', async () => {
    const { registry } = make(10);
    const lines = Array.from({ length: 100 }, (_, n) => registry.line('', `/s/M${n}`));
    const circuits = lines.map((line) => new WeakRef(line.get('').circuit));
    const alive = () => circuits.filter((circuit) => circuit.deref() !== undefined).length;
    await collectGarbage(() => alive() <= 10);
    expect([registry.size, alive(), lines.length]).toEqual([10, 10, 100]);
  });

  it('gives the lines of two methods their own circuits, whichever was used last', () => {
    const { registry, line } = make(10);
    const other = registry.line('', '/s/Other');
    const keys = [line, other, line, line, other, other].map((each) => each.get('a').key);
    expect(keys).toEqual(['M', 'Other', 'M', 'M', 'Other', 'Other'].map((name) => `/s/${name}#a`));
  });

  it('evicts the least recently used', () => {
    const { registry, line, has } = make(3);
    for (const part of ['a', 'b', 'c', 'a', 'd']) line.get(part);
    expect(registry.size).toBe(3);
    expect(['a', 'b', 'c', 'd'].filter(has)).toEqual(['a', 'c', 'd']);
  });

  it.each(['in flight', 'isolated', 'mode'])('keeps a circuit that is held: %s', (how) => {
    const { registry, line, has } = make(3);
    const { circuit } = line.get('held');
    if (how === 'in flight') circuit.acquire();
    if (how === 'isolated') circuit.isolate();
    if (how === 'mode') circuit.mode = 'off';
    for (let n = 0; n < 1_000; n++) line.get(`model-${n}`);
    expect(line.get('held').circuit).toBe(circuit);
    expect(registry.size).toBe(3);
    // and no longer than that
    if (how === 'isolated') return;
    if (how === 'mode') circuit.mode = 'enforce';
    else circuit.reset();
    const permit = circuit.acquire();
    if (permit.admitted && how === 'mode') permit.settle('success', 1);
    if (how === 'in flight') return;
    for (let n = 0; n < 3; n++) line.get(`later-${n}`);
    expect(has('held')).toBe(false);
  });

  it('keeps an open circuit longer, a half-open one not', () => {
    const { line, clock, has } = make(4);
    open(line, 'dead');
    for (let n = 0; n < 100; n++) line.get(`model-${n}`);
    expect(line.get('dead').circuit.state).toBe('open');
    clock.advance(60_000);
    for (let n = 0; n < 4; n++) line.get(`later-${n}`);
    expect(has('dead')).toBe(false);
  });

  it('keeps open ones up to half of all: the least recently used goes first', () => {
    const { registry, line, has } = make(8);
    for (let n = 0; n < 100; n++) open(line, `dead-${n}`);
    line.get('alive');
    for (let n = 0; n < 3; n++) line.get(`model-${n}`);
    expect(registry.size).toBe(8);
    expect(['dead-99', 'dead-98', 'dead-97', 'dead-96', 'dead-95'].map(has)).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
    expect(has('alive')).toBe(true);
  });

  it('evicts an open circuit if every other one is held', () => {
    const { registry, line, has } = make(2);
    line.get('isolated').circuit.isolate();
    open(line, 'open');
    line.get('new');
    expect(registry.size).toBe(2);
    expect([has('open'), has('isolated'), has('new')]).toEqual([false, true, true]);
  });

  it('exceeds its bound only while calls are in flight', () => {
    const { registry, line } = make(100);
    const permits = Array.from({ length: 5_000 }, (_, n) => line.get(`busy-${n}`).circuit.acquire());
    expect(registry.size).toBe(5_000);
    for (const permit of permits) if (permit.admitted) permit.settle('success', 1);
    for (let n = 0; n < 5_000; n++) line.get(`model-${n}`);
    expect(registry.size).toBe(100);
  });

  it('checks few circuits to make room for a new one, whatever they are', () => {
    const { registry, line } = make(2_000);
    for (let n = 0; n < 2_000; n++) line.get(`held-${n}`).circuit.isolate();
    let reads = 0;
    for (const { circuit } of registry.entries()) {
      const isolated = circuit.isolated;
      Object.defineProperty(circuit, 'isolated', {
        get: () => {
          reads += 1;
          return isolated;
        },
      });
    }
    for (let n = 0; n < 100; n++) line.get(`model-${n}`);
    expect(reads).toBeLessThanOrEqual(100 * 2 * 64);
    expect(registry.size).toBeLessThan(2_000 + 100);
  });

  it('is not harmed by a hundred thousand names, nor by odd ones', () => {
    const { registry, line } = make(1_000);
    for (const name of ['__proto__', 'constructor', 'toString', '', '\u0000', 'é'.repeat(100)])
      line.get(name);
    expect(line.get('__proto__').key).toBe('/s/M#__proto__');
    for (let n = 0; n < 100_000; n++) line.get(`model-${n}`);
    expect(registry.size).toBe(1_000);
    expect(Array.from(registry.entries())).toHaveLength(registry.size);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('keeps nothing of targets that come and go, and their lines work on', () => {
    const { registry } = make(100);
    const lines = Array.from({ length: 5_000 }, (_, n) => registry.line(`host-${n}`, '/s/M'));
    for (const line of lines) line.get('a');
    expect([registry.size, registry.shelves]).toEqual([100, 100]);
    const [first] = lines;
    const again = first?.get('a');
    expect(again).toBe(first?.get('a'));
    expect(again).toBe(registry.line('host-0', '/s/M').get('a'));
    expect([registry.size, registry.shelves]).toEqual([100, 100]);
  });

  it('keeps a line working whose last circuit makes room for its next', () => {
    const { registry, line } = make(1);
    line.get('a');
    const b = line.get('b');
    expect(registry.line('', '/s/M').get('b')).toBe(b);
    expect([registry.size, registry.shelves]).toEqual([1, 1]);
  });

  it('keeps a parent while it has children, and not longer', () => {
    const { registry, line, has } = make(3, true);
    const parent = line.get('');
    for (let n = 0; n < 100; n++) expect(line.get(`model-${n}`).parent).toBe(parent);
    expect(has('model-98') && has('model-99')).toBe(true);
    const other = registry.line('', '/t/N');
    for (const part of ['', 'a', 'b']) other.get(part);
    expect(Array.from(registry.entries(), ({ key }) => key)).toEqual(['/t/N', '/t/N#a', '/t/N#b']);
  });

  it('sets the mode of present and future circuits, without holding them', () => {
    const { registry, line } = make(10);
    line.get('a');
    registry.setMode('observe');
    expect([line.get('a').circuit.mode, line.get('b').circuit.mode]).toEqual(['observe', 'observe']);
    for (let n = 0; n < 100; n++) line.get(`model-${n}`);
    expect(registry.size).toBe(10);
  });

  it('a listener that gets circuits during an eviction harms nothing', () => {
    const clock = new ManualClock();
    const guard = createGuard({
      clock,
      maxCircuits: 4,
      circuit: { trip: [consecutiveFailures({ failures: 1 })], open: { baseMs: 10, jitter: 'none' } },
    });
    let asked = 0;
    guard.on('transition', ({ to }) => {
      if (to === 'half-open') guard.circuit('/s/M', `asked-${asked++ % 7}`);
    });
    for (let n = 0; n < 500; n++) {
      const permit = guard.circuit('/s/M', `dead-${n}`).acquire();
      if (permit.admitted) permit.settle('failure', 1);
      clock.advance(3);
    }
    expect(asked).toBeGreaterThan(100);
    expect(guard.snapshots().length).toBeLessThanOrEqual(6);
    for (let n = 0; n < 8; n++) guard.circuit('/s/M', `model-${n}`);
    expect(guard.snapshots()).toHaveLength(4);
  });
});

describe('a guard', () => {
  it('restores the state of an earlier process', () => {
    const trip = [consecutiveFailures({ failures: 1 })];
    const before = createGuard({ circuit: { trip } });
    const permit = before.circuit('/s/M', 'model').acquire();
    if (permit.admitted) permit.settle('failure', 1);
    const saved: unknown[] = JSON.parse(JSON.stringify(before.snapshots()));
    const after = createGuard({ circuit: { trip } });
    after.restore(saved);
    expect(after.circuit('/s/M', 'model').state).toBe('open');
  });

  it('checks every snapshot before it restores the first', () => {
    const trip = [consecutiveFailures({ failures: 1 })];
    const before = createGuard({ circuit: { trip } });
    const permit = before.circuit('/s/M', 'model').acquire();
    if (permit.admitted) permit.settle('failure', 1);
    const saved = before.snapshots();
    const after = createGuard({ circuit: { trip } });
    const attempts: [snapshots: unknown, message: RegExp][] = [
      ['x', /^snapshots: expected an array of snapshots/],
      [[{ circuitKey: 7 }], /^snapshots\[0\]\.circuitKey: expected a string, got 7/],
      [[...saved, 7], /^snapshots\[1\]: expected an object, got 7/],
      [[...saved, { ...saved[0], circuitKey: undefined }], /^snapshots\[1\]\.circuitKey: expected a string/],
      [[...saved, { ...saved[0], openings: -1 }], /^snapshots\[1\]\.openings: expected an integer/],
    ];
    for (const [snapshots, message] of attempts) expect(() => after.restore(snapshots)).toThrow(message);
    expect(after.snapshots()).toEqual([]);
  });

  it('runs other work than gRPC under a circuit', async () => {
    const guard = createGuard({ circuit: { trip: [consecutiveFailures({ failures: 1 })] } });
    await expect(guard.execute('features', () => Promise.reject(new Error('down')))).rejects.toThrow('down');
    await expect(guard.execute('features', () => 1)).rejects.toMatchObject({ code: 'FAILSOFT_REJECTED' });
    await guard.close();
    await expect(guard.execute('features', () => 1)).rejects.toMatchObject({ code: 'FAILSOFT_CLOSED' });
  });
});

describe("names that are a caller's text", () => {
  it.each([false, true])(
    'leave nothing behind but the last circuits (parents: %s)',
    async (parentCircuit) => {
      let resolved = 0;
      const counting: Engine = {
        ...nativeEngine,
        configure: (options, field) => {
          resolved++;
          return nativeEngine.configure(options, field);
        },
      };
      const keyBy = perKey(() => undefined);
      const guard = createGuard({ engine: counting, maxCircuits: 100, parentCircuit, keyBy });
      for (let n = 0; n < 5_000; n++) await guard.execute(`user-${n}`, () => n);
      expect(guard.snapshots().length).toBeLessThanOrEqual(100);
      expect(guard.snapshots().at(-1)?.circuitKey).toBe('user-4999');
      // the settings of a method that was there lately are remembered; those of the first one have gone
      const before = resolved;
      guard.circuit('user-4999');
      expect(resolved).toBe(before);
      guard.circuit('user-0');
      expect(resolved).toBeGreaterThan(before);
    },
  );
});

describe('a parent', () => {
  it('does not make room for the first circuit below it', () => {
    const guard = createGuard({ maxCircuits: 2, parentCircuit: true, keyBy: perModel() });
    const parent = guard.circuit('/s/M');
    guard.circuit('/t/N').isolate();
    guard.circuit('/s/M', 'a');
    expect(guard.circuit('/s/M')).toBe(parent);
  });

  it('does not exist without key parts: the method has a circuit with its own rules', () => {
    const reasons = (keyBy = perModel()) => {
      const trip = [consecutiveFailures({ failures: 3 })];
      const guard = createGuard({ parentCircuit: true, circuit: { trip }, keyBy });
      const seen: string[] = [];
      guard.on('transition', ({ reason }) => seen.push(reason));
      for (let n = 0; n < 10; n++) {
        const permit = guard.circuit('/s/M').acquire();
        if (permit.admitted) permit.settle('failure', 1);
      }
      return seen;
    };
    expect(reasons()).toEqual(['consecutive-failures 10 >= 10']);
    expect(reasons(perMethod())).toEqual(['consecutive-failures 3 >= 3']);
  });

  it('has its options checked even if it does not exist', () => {
    const parentCircuit = { open: { baseMs: -1 } };
    expect(() => createGuard({ parentCircuit, keyBy: perMethod() })).toThrow(
      /^options\.parentCircuit\.open\.baseMs: expected/,
    );
  });
});

describe('circuits that hold something', () => {
  it('are closed when they are evicted, and when the guard closes', async () => {
    const engine = opossumEngine();
    const guard = createGuard({ engine, maxCircuits: 2 });
    for (const part of ['a', 'b', 'c']) guard.circuit('/s/M', part);
    expect([...engine.breakers.keys()]).toEqual(['/s/M#b', '/s/M#c']);
    await guard.close();
    expect(engine.breakers.size).toBe(0);
  });

  it.each([
    [{}, 'failure-rate 1.00 >= 0.90 over 20 calls'],
    [{ errorThresholdPercentage: 40 }, 'failure-rate 1.00 > 0.40 over 20 calls'],
    [{ volumeThreshold: 4 }, 'failure-rate 1.00 >= 0.50 over 4 calls'],
  ])('have a parent also on an engine that does not count failures in a row: %j', (options, reason) => {
    const guard = createGuard({ engine: opossumEngine(options), parentCircuit: true, keyBy: perModel() });
    const reasons: string[] = [];
    guard.on('transition', (transition) => reasons.push(transition.reason));
    for (let n = 0; n < 20; n++) {
      const permit = guard.circuit('/s/M').acquire();
      if (permit.admitted) permit.settle('failure', 1);
    }
    expect(reasons).toEqual([reason]);
  });
});
