import { createGuard } from 'failsoft';
import { expect, it } from 'vitest';
import { nativeEngine } from '../../src/engines/native.js';
import { SettingsResolver } from '../../src/guard/method-settings.js';
import { Recoveries } from '../../src/guard/recoveries.js';
import { guardEmitter } from '../../src/telemetry/emitter.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { METHOD } from '../fallback/support.js';
import { collectGarbage } from '../support/garbage.js';

/** Whether an object is garbage, and collected. */
async function isCollected(ref: WeakRef<object>): Promise<boolean> {
  await collectGarbage(() => ref.deref() === undefined);
  return ref.deref() === undefined;
}

function makeRecoveries(): Recoveries {
  const settings = new SettingsResolver(nativeEngine, {}, []);
  return new Recoveries(
    new ManualClock(0),
    () => 0.5,
    guardEmitter(),
    (path) => settings.for(path),
  );
}

it('a target is forgotten with its interceptors and clients: pods come and go', async () => {
  const recoveries = makeRecoveries();
  const held = recoveries.targetOf('kept');
  const ref = (() => new WeakRef(recoveries.targetOf('a pod')))();
  expect(await isCollected(ref)).toBe(true);
  expect(recoveries.targetOf('kept')).toBe(held);
  expect(recoveries.targetOf('a pod')).toBeDefined();
});

it('the names of targets that have gone are forgotten, too', async () => {
  const recoveries = makeRecoveries();
  const held = recoveries.targetOf('kept');
  for (let n = 0; n < 5_000; n++) recoveries.targetOf(`pod-${n}`);
  await collectGarbage(() => recoveries.targets === 1);
  expect(recoveries.targets).toBe(1);
  expect(recoveries.targetOf('kept')).toBe(held);
});

it('a bounded number of methods is remembered', async () => {
  const recoveries = makeRecoveries();
  const meet = (n: number) => {
    const definition = { ...METHOD, path: `/a.B/M${n}` };
    recoveries.met(definition);
    return new WeakRef(definition);
  };
  const refs = Array.from({ length: 3_000 }, (_, n) => meet(n));
  const last = refs.at(-1);
  expect(last !== undefined && (await isCollected(last))).toBe(true);
  expect(refs.filter((ref) => ref.deref() !== undefined).length).toBeLessThanOrEqual(1_000);
});

it('a target lives as long as an interceptor or a client of it', async () => {
  const guard = createGuard();
  const one = guard.forTarget('a');
  const two = guard.clientOptions({}, 'b');
  await collectGarbage(() => false);
  expect([typeof one, typeof two.callInvocationTransformer]).toEqual(['function', 'function']);
  await guard.close();
});

it('a circuit that was open and is evicted is garbage', async () => {
  const guard = createGuard({ maxCircuits: 2 });
  const ref = (() => {
    const circuit = guard.circuit('/a.B/C', 'first');
    for (let n = 0; n < 5; n++) {
      const permit = circuit.acquire();
      if (permit.admitted) permit.settle('failure', 1);
    }
    expect(circuit.state).toBe('open');
    return new WeakRef(circuit);
  })();
  for (let n = 0; n < 5; n++) {
    const circuit = guard.circuit('/a.B/C', `next-${n}`);
    for (let call = 0; call < 5; call++) {
      const permit = circuit.acquire();
      if (permit.admitted) permit.settle('failure', 1);
    }
  }
  expect(guard.snapshots()).toHaveLength(2);
  expect(await isCollected(ref)).toBe(true);
  await guard.close();
});
