import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Figures } from '../../drill/figures/figures.js';
import { overSeeds } from '../../drill/figures/over-seeds.js';
import { NOT_REACHED, pageOf } from '../../drill/report/page.js';
import type { ContestantReport, Report } from '../../drill/report/report.js';
import { terminalTable } from '../../drill/report/table.js';
import { verdictOn } from '../../drill/report/verdict.js';
import { writeReport } from '../../drill/report/write.js';
import { assertSmoke } from '../../drill/smoke.js';

const perfect: Figures = {
  ...{ primary: 1, degraded: 0, errors: 0, late: 0, p50Ms: 20, p99Ms: 30, maxMs: 40 },
  ...{ healthyRejected: 0, reached: 0, detectedMs: 0, recoveredMs: 0, falseTrips: 0 },
  ...{ callerProbes: 0, peakInFlight: 3, primaryAtEnd: 1, disturbedMs: 0 },
};

function contestant(name: string, figures: Partial<Figures>): ContestantReport {
  const timeline = { fromMs: -100, stepMs: 50, primary: [1, 0.5, null], degraded: [0, 0.5, null] };
  return { name, ...overSeeds([{ ...perfect, ...figures }]), ...perfect, ...figures, timeline };
}

const phases = { calmMs: 100, faultMs: 1_000, afterMs: 1_000 };

function report(contestants: readonly ContestantReport[]): Report {
  return {
    ...{
      node: 'v20',
      machine: { cores: 2, memoryGiB: 8, platform: 'linux' },
      versions: {},
      seeds: 1,
      quick: true,
    },
    scenarios: ['hard-down', 'bad-requests'].map((name) => ({ name, phases, contestants })),
  };
}

const down = contestant('none', { primary: 0.4, errors: 0.6, recoveredMs: 300 });
const lost = contestant('failsoft', {
  ...{ primary: 0, degraded: 1, recoveredMs: null, falseTrips: 2, healthyRejected: 0.5 },
});

describe('the verdict on a scenario', () => {
  it('names the winners and losers of each scenario, failsoft like all others', () => {
    expect(verdictOn({ name: 'hard-down', phases, contestants: [down, lost] })).toBe(
      'Answered the most callers in time: **failsoft** (100.0 %); the fewest: **none** (40.0 %). ' +
        'Got the most answers of the primary: **none** (40.0 %); the fewest: **failsoft** (0.0 %). ' +
        'Back at 95 % first: **none** (0.3 s); not within the drill: **failsoft**. ' +
        'Opened a circuit though the servers were well: failsoft (2x). ' +
        'Kept the most calls away from a server that would have answered: **failsoft** (50.0 %).',
    );
  });

  it('calls a draw a draw', () => {
    const contestants = [contestant('a', {}), contestant('b', { primary: 0.995, errors: 0.005 })];
    expect(verdictOn({ name: 'hang', phases, contestants })).toContain('in time: a draw (100.0 %)');
  });
});

describe('the report', () => {
  it('has a page and a chart per scenario, the same for the same figures', () => {
    const write = () => {
      const folder = mkdtempSync(join(tmpdir(), 'failsoft-report-'));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      writeReport(report([down, lost]), folder);
      const charts = readdirSync(join(folder, 'drills')).sort();
      return [...charts.map((name) => `drills/${name}`), 'drills.md'].map((name) => ({
        name,
        text: readFileSync(join(folder, name), 'utf8'),
      }));
    };
    const files = write();
    expect(write()).toEqual(files);
    expect(files.map(({ name }) => name)).toEqual([
      ...[
        'drills/all.svg',
        'drills/bad-requests.svg',
        'drills/figures.json',
        'drills/hard-down.svg',
        'drills.md',
      ],
    ]);
    const page = files.at(-1)?.text ?? '';
    expect(page).toContain('one seed');
    expect(page).toContain('| none | 40.0 % |');
    for (const { name, text } of files)
      if (name.endsWith('.svg')) expect(text).toMatch(/^<svg .*failsoft.*<\/svg>\n$/s);
  });

  it('has a link to the reason where failsoft misses its aim', () => {
    const reasons = readFileSync(new URL('../../docs/decisions/judgement.md', import.meta.url), 'utf8');
    const [, section = ''] = reasons.split('## Rows that are not reached');
    for (const name of NOT_REACHED) expect(section).toContain(`\`${name}\``);
    const page = pageOf({
      ...report([down]),
      scenarios: ['hang', 'errors-2'].map((name) => ({ name, phases, contestants: [down] })),
    });
    expect(page.match(/judgement\.md#rows-that-are-not-reached/g)).toHaveLength(1);
  });

  it('states at its top that the machine was busy', () => {
    const busy = contestant('none', { disturbedMs: 400 });
    const page = pageOf(report([busy, lost]));
    expect(page).toContain('in 2 of 4 cells');
    expect(page.indexOf('in 2 of 4 cells')).toBeLessThan(page.indexOf('all.svg'));
    expect(page).toContain('(Disturbed.) Answered');
    expect(pageOf(report([down, lost]))).not.toContain('isturbed.');
  });

  it('has a table that a terminal shows in columns', () => {
    const lines = terminalTable({ name: 'hard-down', phases, contestants: [down, lost] })
      .split('\n')
      .slice(2);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    expect(lines.at(-1)).toMatch(/^failsoft +0\.0 % +100\.0 %.*never/);
  });
});

describe('the smoke', () => {
  const good = { degraded: 0.6, primary: 0.4, errors: 0 };
  const cells = [down, contestant('opossum', good), contestant('failsoft', good)];
  const scenarios = [
    { name: 'hard-down', phases, contestants: cells },
    { name: 'bad-requests', phases, contestants: cells.map(({ name }) => contestant(name, {})) },
  ];

  it('passes where the figures are as they must be', () => {
    expect(() => assertSmoke({ ...report([]), scenarios })).not.toThrow();
  });

  it('names each figure that is not', () => {
    const contestants = [down, contestant('opossum', good), contestant('failsoft', { ...perfect })];
    const bad = [{ name: 'hard-down', phases, contestants }, ...scenarios.slice(1)];
    expect(() => assertSmoke({ ...report([]), scenarios: bad })).toThrow(
      /hard-down, failsoft: the fallback answers some of them, got 0$/,
    );
  });
});
