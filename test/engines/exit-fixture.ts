// Opens a hundred circuits, closes all but one, and says how many of them are still in memory. Then it ends by itself.
import { setImmediate } from 'node:timers/promises';
import { systemClock } from '../../src/clock.js';
import { opossumEngine } from '../../src/engines/opossum/index.js';

const engine = opossumEngine({ volumeThreshold: 1 });
const make = engine.configure(undefined, 'circuit');
const environment = {
  clock: systemClock,
  random: Math.random,
  listener: { transition: () => {}, isolation: () => {} },
};

function opened(index: number) {
  const circuit = make(`key ${index}`, environment);
  const permit = circuit.acquire();
  if (permit.admitted) permit.settle('failure', 1);
  if (circuit.state !== 'open') throw new Error('the circuit should be open');
  return circuit;
}

function closedOnes(count: number): WeakRef<object>[] {
  return Array.from({ length: count }, (_, index) => {
    const circuit = opened(index);
    circuit.close?.();
    return new WeakRef(circuit);
  });
}

opened(-1);
const closed = closedOnes(100);
for (let turn = 0; turn < 10; turn++) {
  await setImmediate();
  globalThis.gc?.();
}
const left = closed.filter((ref) => ref.deref() !== undefined).length;
console.log(JSON.stringify({ left, breakers: engine.breakers.size }));
