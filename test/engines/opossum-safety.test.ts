import fc from 'fast-check';
import { expect, it } from 'vitest';
import { failureRate } from '../../src/circuit/index.js';
import type { Permit } from '../../src/circuit/types.js';
import { OUTCOMES, type Outcome } from '../../src/classify/outcome.js';
import { opossumBench } from '../support/opossum-bench.js';
import { expectProperty } from '../support/properties.js';

type Step =
  | { readonly do: 'acquire' }
  | { readonly do: 'settle'; readonly which: number; readonly outcome: Outcome }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'open' | 'close' | 'reset' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ do: 'acquire' } as const) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      which: fc.nat(9),
      outcome: fc.constantFrom(...OUTCOMES),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.nat(600) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('open' as const, 'close' as const, 'reset' as const) }),
  },
);

it('whatever happens: one probe at a time, only a present probe closes the circuit, and it is never stuck', () => {
  expectProperty(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const b = opossumBench({
        trip: [failureRate({ threshold: 0.5, minimumCalls: 3 })],
        window: { type: 'time', durationMs: 2000 },
        open: { baseMs: 400 },
        halfOpen: { probeTimeoutMs: 500 },
      });
      const out: Permit[] = [];
      for (const now of steps) {
        const before = b.circuit.snapshot();
        switch (now.do) {
          case 'acquire': {
            const permit = b.circuit.acquire();
            expect(permit.admitted).toBe(before.state !== 'open' && permit.admitted);
            if (permit.admitted) out.push(permit);
            break;
          }
          case 'settle': {
            const [permit] = out.splice(now.which % Math.max(1, out.length), 1);
            permit?.settle(now.outcome, 1);
            const after = b.circuit.snapshot();
            const isStale = permit !== undefined && permit.generation !== before.generation;
            if (isStale) expect(after.state).toBe(before.state);
            if (before.state !== 'closed' && after.state === 'closed') {
              expect(permit).toMatchObject({ probe: true, generation: before.generation });
              expect(['success', 'caller-error']).toContain(now.outcome);
            }
            break;
          }
          case 'advance':
            b.clock.advance(now.ms);
            break;
          case 'open':
          case 'close':
            b.breaker[now.do]();
            break;
          case 'reset':
            b.circuit.reset();
            break;
        }
        const { generation, state, inFlight, window } = b.circuit.snapshot();
        const probes = out.filter((permit) => permit.probe && permit.generation === generation);
        expect(probes.length).toBeLessThanOrEqual(1);
        expect(inFlight).toBe(out.length);
        expect(b.breaker.closed).toBe(state === 'closed');
        expect(window.calls).toBeGreaterThanOrEqual(window.unhealthy);
      }
      b.clock.advance(1000);
      if (b.circuit.state === 'half-open') b.call('success');
      b.clock.advance(1000);
      if (b.circuit.state === 'half-open') b.call('success');
      expect(b.circuit.state).toBe('closed');
    }),
    300,
  );
});
