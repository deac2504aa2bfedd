import { CONTESTANTS } from '../contestants/index.js';
import { SCENARIOS } from '../scenarios/index.js';
import type { Report, ScenarioReport } from './report.js';
import { markdownTable } from './table.js';
import { verdictOn } from './verdict.js';

/** Where the page finds its charts. */
export const CHARTS = 'drills';

/** Where docs/decisions/judgement.md says why failsoft does not reach what it aims at, and what was tried. */
export const NOT_REACHED: readonly string[] = [
  'sigstop',
  'hang',
  'brownout',
  'overload-6x',
  'bad-model',
  'flapping',
  'one-backend-hangs',
];

/** A machine that lets a healthy server wait for longer than this is part of the figures. */
const DISTURBED_MS = 150;

/** docs/drills.md. */
export function pageOf(report: Report): string {
  return [
    '# Drills',
    '',
    'Outages against model servers, with failsoft and with what people use in its place, side by side. `npm run drill -- --report docs`',
    'wrote this page; nothing on it is written by hand, and losses stand where they fell. Over real gRPC on one machine: each server',
    'and each client is a process. Callers do not wait for each other (a Poisson process), and every contestant gets the same calls.',
    '',
    surroundingsOf(report),
    ...disturbanceOf(report),
    '',
    `![Heat map of all cells](${CHARTS}/all.svg)`,
    '',
    'Green is not the whole of it: a fallback that always answers is green on the left while the model is well and nobody asks it.',
    'So the right side shows the answers of the primary, and each scenario below shows what was lost.',
    '',
    '## Contestants',
    '',
    ...CONTESTANTS.map(({ name, about }) => `- **${name}**: ${about}`),
    '',
    'Where its API has a place for a fallback, a contestant asks a smaller model for at most 100 ms, and gives a default where that has no',
    'answer. `none`, `retry` and `outlier` have no such place.',
    '',
    ...legend(),
    ...report.scenarios.flatMap(sectionOf),
  ].join('\n');
}

function surroundingsOf({ node, machine, versions, seeds, quick }: Report): string {
  const { cores, memoryGiB, platform } = machine;
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const lengths = quick
    ? '**This is a quick run: shorter phases, and one seed, so that small differences are chance.**'
    : `The figures are medians over ${seeds} seeds; the JSON beside the charts has their spread.`;
  return [
    `${lengths} Node ${node}, ${packages.join(', ')}; ${cores} cores, ${memoryGiB} GiB, ${platform}.`,
    'What the terminal prints, and how to run one cell: `npm run drill -- --help`.',
  ].join('\n');
}

/** A busy machine is said at the top, not in a footnote. */
function disturbanceOf({ scenarios }: Report): string[] {
  const cells = scenarios.flatMap(({ contestants }) => contestants);
  const disturbed = cells.filter(wasDisturbed).length;
  if (disturbed === 0) return [];
  return [
    '',
    `**The machine was busy with other things: in ${disturbed} of ${cells.length} cells it let a healthy server wait for more than ${DISTURBED_MS} ms (the`,
    'column "disturbed"). Where that is so, times and late answers are the machine’s as much as the contestant’s.**',
  ];
}

function wasDisturbed({ disturbedMs }: { readonly disturbedMs: number }): boolean {
  return disturbedMs > DISTURBED_MS;
}

function legend(): string[] {
  return [
    '## The columns',
    '',
    '- **primary, degraded, error, late**: of the calls from the moment at which things go wrong: answered in time by the model, or by the',
    '  fallback; failed before the deadline; not answered by the deadline. They add up to 100 %.',
    '- **p50, p99, max**: how long callers waited, for whatever they got.',
    '- **healthy rejected**: calls that reached no server although one would have answered (each server writes down every 10 ms whether it would).',
    '- **reached sick**: how many calls reached a server while it was unwell, per call made then; above 100 % with retries. The more it is, the',
    '  less air the server gets.',
    '- **fast after**: from the beginning of the trouble to the first 0.3 s in which nine in ten callers had an answer within 100 ms more than the',
    '  model usually takes. **back after**: from its end to the first half second with 95 % answers of the primary.',
    '- **false trips**: a circuit opened although no server had been unwell in the second before.',
    '- **paid probes**: calls of callers that an open circuit sent out to see whether the server is back, and that got no answer of the primary.',
    '- **peak**: the most calls that one server had at a time. **at end**: answers of the primary in the last seconds: less than 100 % is trouble that',
    '  outlives its cause.',
    '- **disturbed**: the longest time for which the machine itself was too busy to run a healthy server. Above 100 ms a cell says little.',
    '',
  ];
}

function sectionOf(report: ScenarioReport): string[] {
  const { name, phases, capacity } = report;
  const scenario = SCENARIOS.find((candidate) => candidate.name === name);
  if (scenario === undefined) throw new RangeError(`the report has a scenario ${name} that there is not`);
  const { calmMs, faultMs, afterMs } = phases;
  const seconds = (ms: number) => `${ms / 1_000} s`;
  const { perSecond, deadlineMs } = scenario.traffic;
  return [
    `## ${name}`,
    '',
    scenario.story,
    `${perSecond} calls/s with deadlines of ${deadlineMs} ms; ${seconds(calmMs)} before, ${seconds(faultMs)} of it, ${seconds(afterMs)} after.`,
    ...(capacity === undefined
      ? []
      : [
          `${capacity.holds ? 'Asserted' : '**Not as specified**'}: one server answers ${capacity.measured} calls/s (specified: ${capacity.stated}).`,
        ]),
    '',
    `![${name}](${CHARTS}/${name}.svg)`,
    '',
    markdownTable(report),
    '',
    `${report.contestants.some(wasDisturbed) ? '(Disturbed.) ' : ''}${verdictOn(report)}`,
    '',
    `*${scenario.lesson}*`,
    '',
    ...(NOT_REACHED.includes(name)
      ? [
          '[What failsoft does not reach here, and what was tried](decisions/judgement.md#rows-that-are-not-reached).',
          '',
        ]
      : []),
  ];
}
