import type { Report, ScenarioReport } from './report/report.js';

/** The cells that the gate runs: about a minute, and figures that hold on any machine. */
export const SMOKE = {
  only: ['hard-down', 'bad-requests'],
  contestants: ['none', 'opossum', 'failsoft'],
} as const;

/**
 * Asserts that the drill works, and that failsoft answers its callers through an outage: only figures that a busy machine
 * cannot change.
 * @throws Error with every figure that is not as it must be
 */
export function assertSmoke({ scenarios }: Report): void {
  const wrong: string[] = [];
  const expect = (what: string, holds: boolean, got: unknown) => {
    if (!holds) wrong.push(`${what}, got ${JSON.stringify(got)}`);
  };
  const cell = (scenario: string, contestant: string) => {
    const found = contestantsOf(scenarios, scenario).find(({ name }) => name === contestant);
    if (found === undefined) throw new Error(`the smoke has no cell ${scenario}, ${contestant}`);
    return found;
  };
  const bare = cell('hard-down', 'none');
  expect('hard-down, none: most calls fail while the server is dead', bare.errors > 0.3, bare.errors);
  expect('hard-down, none: no call is degraded', bare.degraded === 0, bare.degraded);
  for (const contestant of ['opossum', 'failsoft']) {
    const { primary, degraded } = cell('hard-down', contestant);
    expect(`hard-down, ${contestant}: callers are answered`, primary + degraded > 0.95, {
      primary,
      degraded,
    });
    expect(`hard-down, ${contestant}: the fallback answers some of them`, degraded > 0.3, degraded);
  }
  const { errors, late } = cell('hard-down', 'failsoft');
  expect('hard-down, failsoft: callers see next to no error', errors + late < 0.05, { errors, late });
  for (const contestant of SMOKE.contestants) {
    const { primary } = cell('bad-requests', contestant);
    expect(`bad-requests, ${contestant}: the primary answers`, primary > 0.9, primary);
  }
  if (wrong.length > 0) throw new Error(`the smoke failed:\n${wrong.join('\n')}`);
}

function contestantsOf(scenarios: readonly ScenarioReport[], name: string) {
  return scenarios.find((scenario) => scenario.name === name)?.contestants ?? [];
}
