import { consecutiveFailures, createGuard, type Engine, nativeEngine } from 'failsoft';
import { opossumEngine } from 'failsoft/opossum';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { CircuitRegistry } from '../../src/guard/circuit-registry.js';

function make(max: number) {
  const environment = {
    clock: new ManualClock(),
    random: () => 0.5,
    listener: { transition: () => undefined, isolation: () => undefined },
  };
  const registry = new CircuitRegistry(max, environment);
  const circuit = nativeEngine.configure({ trip: [consecutiveFailures({ failures: 1 })] }, 'circuit');
  return { registry, line: registry.line('', '/s/M', () => ({ circuit, parent: undefined })) };
}

function open(line: ReturnType<typeof make>['line'], part: string): void {
  const permit = line.get(part).circuit.acquire();
  if (permit.admitted) permit.settle('failure', 1);
}

describe('the registry', () => {
  it('keeps one circuit per key', () => {
    const { registry, line } = make(10);
    expect(line.get('a')).toBe(line.get('a'));
    expect(line.get('a')).not.toBe(line.get('b'));
    expect(registry.line('', '/s/M', () => expect.fail('made twice'))).toBe(line);
    expect(registry.size).toBe(2);
  });

  it('lets the least recently used closed circuits go first', () => {
    const { registry, line } = make(3);
    open(line, 'open');
    line.get('old');
    line.get('new');
    line.get('newest');
    expect(registry.size).toBe(3);
    expect(line.peek('old')).toBeUndefined();
    expect(line.peek('open')?.circuit.state).toBe('open');
  });

  it('lets others go where none is closed, but never one that is isolated', () => {
    const { registry, line } = make(2);
    open(line, 'isolated');
    line.get('isolated').circuit.isolate();
    open(line, 'open');
    line.get('new');
    expect(registry.size).toBe(2);
    expect(line.peek('open')).toBeUndefined();
    expect(line.peek('isolated')).toBeDefined();
  });

  it('is not harmed by a hundred thousand names, nor by odd ones', () => {
    const { registry, line } = make(1_000);
    for (const name of ['__proto__', 'constructor', 'toString', '', '\u0000', 'é'.repeat(100)])
      line.get(name);
    expect(line.get('__proto__').key).toBe('/s/M#__proto__');
    for (let n = 0; n < 100_000; n++) line.get(`model-${n}`);
    expect(registry.size).toBeLessThanOrEqual(1_000);
    expect(Array.from(registry.entries())).toHaveLength(registry.size);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('asks only those that would go whether they are isolated, as a snapshot is dear', () => {
    let snapshots = 0;
    const { registry } = make(160);
    const native = nativeEngine.configure({}, 'circuit');
    const line = registry.line('', '/s/N', () => ({
      circuit: (key, environment) => {
        const circuit = native(key, environment);
        const snapshot = circuit.snapshot.bind(circuit);
        circuit.snapshot = () => {
          snapshots += 1;
          return snapshot();
        };
        return circuit;
      },
      parent: undefined,
    }));
    for (let n = 0; n < 160; n++) line.get(`model-${n}`);
    line.get('model-0').circuit.isolate();
    line.get('model-1').circuit.isolate();
    for (let n = 2; n < 160; n++) line.get(`model-${n}`);
    line.get('one more');
    // a sixteenth goes; the two isolated ones were asked in vain
    expect(registry.size).toBe(160 - 10 + 1);
    expect(snapshots).toBe(10 + 2);
    expect(line.peek('model-1')).toBeDefined();
    expect(line.peek('model-2')).toBeUndefined();
  });

  it('sets the mode of those that are there and those to come', () => {
    const { registry, line } = make(10);
    line.get('a');
    registry.setMode('observe');
    expect([line.get('a').circuit.mode, line.get('b').circuit.mode]).toEqual(['observe', 'observe']);
  });
});

describe('a guard', () => {
  it('gives a later process what an earlier one knew', () => {
    const trip = [consecutiveFailures({ failures: 1 })];
    const before = createGuard({ circuit: { trip } });
    const permit = before.circuit('/s/M', 'model').acquire();
    if (permit.admitted) permit.settle('failure', 1);
    const saved: unknown = JSON.parse(JSON.stringify(before.snapshots()));
    const after = createGuard({ circuit: { trip } });
    after.restore(saved);
    expect(after.circuit('/s/M', 'model').state).toBe('open');
    expect(() => after.restore([{ key: 7 }])).toThrow('snapshots[0].key: expected a string, got 7');
    expect(() => after.restore([saved, [], 7].flat())).toThrow('snapshots[1].key: expected a string');
    expect(() => after.restore([...before.snapshots(), { ...before.snapshots()[0], openings: -1 }])).toThrow(
      /^snapshots\[1\]\.openings: expected an integer/,
    );
    expect(() => after.restore('x')).toThrow('snapshots: expected an array of snapshots');
  });

  it('runs what is not gRPC under a circuit', async () => {
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
      const guard = createGuard({ engine: counting, maxCircuits: 100, parentCircuit });
      for (let n = 0; n < 5_000; n++) await guard.execute(`user-${n}`, () => n);
      expect(guard.snapshots().length).toBeLessThanOrEqual(100);
      expect(guard.snapshots().at(-1)?.key).toBe('user-4999');
      // the line of a circuit that is still there is, too; that of the first one has gone with it
      const before = resolved;
      guard.circuit('user-4999');
      expect(resolved).toBe(before);
      guard.circuit('user-0');
      expect(resolved).toBeGreaterThan(before);
    },
  );

  it('keep the one line of a method whose last circuit makes room for its next', () => {
    const guard = createGuard({ maxCircuits: 1 });
    guard.circuit('/s/M', 'a');
    const b = guard.circuit('/s/M', 'b');
    expect(guard.snapshots().map(({ key }) => key)).toEqual(['/s/M#b']);
    expect(guard.circuit('/s/M', 'b')).toBe(b);
  });
});

it('a parent does not make room for the first circuit below it', () => {
  const guard = createGuard({ maxCircuits: 2, parentCircuit: true });
  const parent = guard.circuit('/s/M');
  guard.circuit('/t/N').isolate();
  guard.circuit('/s/M', 'a');
  expect(guard.circuit('/s/M')).toBe(parent);
});

describe('circuits that hold something', () => {
  it('are let go when they are evicted, and when the guard closes', async () => {
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
  ])('have a parent also on an engine that cannot count in a row: %j', (options, reason) => {
    const guard = createGuard({ engine: opossumEngine(options), parentCircuit: true });
    const reasons: string[] = [];
    guard.on('transition', (transition) => reasons.push(transition.reason));
    for (let n = 0; n < 20; n++) {
      const permit = guard.circuit('/s/M').acquire();
      if (permit.admitted) permit.settle('failure', 1);
    }
    expect(reasons).toEqual([reason]);
  });
});
