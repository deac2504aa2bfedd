import { describe, expect, it } from 'vitest';
import { CONTESTANTS } from '../../drill/contestants/index.js';
import { readOptions } from '../../drill/options.js';
import { fullSpec, phasesOf } from '../../drill/scenario/phases.js';
import { planTraffic } from '../../drill/scenario/traffic.js';
import { SCENARIOS } from '../../drill/scenarios/index.js';

const NAMES =
  'hard-down hard-down-30 sigstop hang brownout gray-30 overload-3x overload-6x bad-model errors-10 errors-2 reset-20 reset-200 ' +
  'lb-resets cold-client flapping cold-start rolling-restart one-backend-hangs bad-requests tiny-deadlines stream-stall ' +
  'secondary-down cancelled-probes client-stall clock-step push-back';

describe('the scenarios', () => {
  it('have the names that reports use', () => {
    expect(SCENARIOS.map(({ name }) => name)).toEqual(NAMES.split(' '));
  });

  it.each(SCENARIOS)('$name is consistent', (scenario) => {
    const { faults, story, lesson, traffic } = scenario;
    const { count, models } = fullSpec(scenario.servers);
    for (const quick of [false, true]) {
      const { faultMs, calmMs } = phasesOf(scenario, quick);
      for (const fault of faults) {
        if ('server' in fault && fault.server !== 'secondary') expect(fault.server ?? 0).toBeLessThan(count);
        if ('backAtMs' in fault) {
          expect(fault.backAtMs).toBeGreaterThan(fault.atMs);
          expect(fault.backAtMs).toBeLessThanOrEqual(faultMs);
        }
        if ('untilMs' in fault && fault.untilMs !== undefined)
          expect(fault.untilMs).toBeLessThanOrEqual(faultMs);
        if (fault.kind === 'trouble' && fault.model !== undefined) expect(models).toContain(fault.model);
      }
      for (const change of traffic.changes ?? []) expect(change.untilMs).toBeLessThanOrEqual(faultMs);
      expect(calmMs).toBeGreaterThanOrEqual(0);
    }
    for (const text of [story, lesson]) expect(text).toMatch(/^[A-Z].*\.$/);
  });
});

describe('the traffic of a scenario', () => {
  it.each(SCENARIOS)('of $name is the same for the same seed, and in the order of time', (scenario) => {
    const phases = phasesOf(scenario, true);
    const plan = planTraffic(scenario, phases, 7);
    expect(planTraffic(scenario, phases, 7)).toEqual(plan);
    expect(planTraffic(scenario, phases, 8)).not.toEqual(plan);
    const times = plan.map(({ atMs }) => atMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(plan.map(({ id }) => id)).toEqual(plan.map((_, index) => index));
  });

  it('has the rate, its changes and its groups of callers', () => {
    const scenario = SCENARIOS.find(({ name }) => name === 'overload-3x');
    if (scenario === undefined) throw new Error('overload-3x is gone');
    const counts = (perGroup: typeof scenario) => {
      const plan = planTraffic(perGroup, { calmMs: 20_000, faultMs: 6_000, afterMs: 20_000 }, 3);
      const within = (from: number, to: number) =>
        plan.filter(({ atMs }) => atMs >= from && atMs < to).length;
      return { calm: within(-20_000, 0) / 20, fault: within(0, 6_000) / 6, plan };
    };
    const { calm, fault } = counts(scenario);
    expect(calm).toBeGreaterThan(44);
    expect(calm).toBeLessThan(56);
    expect(fault).toBeGreaterThan(280);
    expect(fault).toBeLessThan(320);
    const groups = {
      ...scenario,
      traffic: { ...scenario.traffic, callers: [{ share: 0.3, atMs: 0, bad: true }] },
    };
    const { plan } = counts(groups);
    expect(plan.some(({ bad, atMs }) => bad && atMs < 0)).toBe(false);
    const after = plan.filter(({ atMs }) => atMs >= 0);
    expect(after.filter(({ bad }) => bad).length / after.length).toBeCloseTo(0.3, 1);
  });
});

describe('the command line', () => {
  it('takes names in any order and shows them in the report’s', () => {
    expect(readOptions(['--only', 'hang,hard-down', '--contestant', 'failsoft,none'])).toMatchObject({
      only: ['hard-down', 'hang'],
      contestants: ['none', 'failsoft'],
      seeds: 5,
    });
    expect(readOptions(['--quick'])).toMatchObject({
      seeds: 1,
      quick: true,
      contestants: CONTESTANTS.map((c) => c.name),
    });
  });

  it.each([
    [['--only', 'hard-dwn'], /--only: expected some of hard-down.*got "hard-dwn"/],
    [['--contestant', 'polly'], /--contestant: expected some of none.*got "polly"/],
    [['--seeds', '0'], /--seeds: expected an integer from 1 to 100, got "0"/],
    [['--parallel', 'x'], /--parallel: expected an integer from 1 to 16, got "x"/],
  ])('refuses %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(message);
  });
});
