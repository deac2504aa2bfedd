import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Report } from '../../drill/report/report.js';
import { compareWithWire } from '../../drill/simulator/compare.js';

/**
 * What the wire gave, for the contestant that has none of failsoft's code: made by `npm run drill -- --quick --contestant none --seeds 3
 * --only ... --json test/drill/wire.json`, without its timelines. It is the simulator's server, network and channel that are compared.
 */
const wire: Report = JSON.parse(readFileSync(new URL('./wire.json', import.meta.url), 'utf8'));

describe('the simulator beside the wire', () => {
  const comparisons = compareWithWire(wire);

  it('has its figures within the spread of the wire’s', () => {
    expect(comparisons.length).toBeGreaterThanOrEqual(40);
    const differing = comparisons.filter(({ agrees }) => !agrees);
    // The time of a call holds the processor's part on the wire, which a busy machine makes long.
    expect(differing.filter(({ figure }) => figure !== 'p50Ms')).toEqual([]);
    expect(differing.length).toBeLessThanOrEqual(comparisons.length / 10);
  });

  it('would notice a server that is not the wire’s', () => {
    const scenarios = wire.scenarios.map((scenario) => ({
      ...scenario,
      contestants: scenario.contestants.map((contestant) => ({
        ...contestant,
        spread: { ...contestant.spread, primary: [0.1, 0.2] as const },
      })),
    }));
    const differing = compareWithWire({ ...wire, scenarios }).filter(({ agrees }) => !agrees);
    expect(differing.filter(({ figure }) => figure === 'primary').length).toBeGreaterThanOrEqual(5);
  });
});
