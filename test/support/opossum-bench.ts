import { opossumEngine } from 'failsoft/opossum';
import type CircuitBreaker from 'opossum';
import type { CircuitOptions } from '../../src/circuit/types.js';
import { bench } from '../circuit/harness.js';

/** A circuit of the opossum engine on a clock that stands still, and its breaker. */
export function opossumBench(circuit?: CircuitOptions, options?: CircuitBreaker.Options) {
  const engine = opossumEngine(options);
  const b = bench(circuit, { engine });
  const breaker = engine.breakers.get('test');
  if (breaker === undefined) throw new Error('the engine does not show its breaker');
  return { ...b, breaker, engine };
}
