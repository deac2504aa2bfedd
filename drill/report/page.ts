import { CONTESTANTS } from '../contestants/index.js';
import { SCENARIOS } from '../scenarios/index.js';
import type { Report, ScenarioReport } from './report.js';
import { markdownTable } from './table.js';
import { verdictOn } from './verdict.js';

/** The folder of the page's charts. */
export const CHARTS = 'drills';

/** The parts of docs/decisions/judgement.md about aims that failsoft misses: the reasons, and the attempts. */
export const NOT_REACHED: readonly string[] = [
  'sigstop',
  'hang',
  'brownout',
  'overload-3x',
  'overload-6x',
  'bad-model',
  'flapping',
  'one-backend-hangs',
];

/** If the machine lets a healthy server wait for longer than this, it is part of the figures. */
const DISTURBED_MS = 150;

/** The text of docs/drills.md. */
export function pageOf(report: Report): string {
  return [
    '# Drills',
    '',
    'A drill is an outage of model servers. This page compares failsoft with what people use instead of it, drill by drill.',
    '`npm run drill -- --report docs` wrote the page; nothing on it is written by hand, and it shows where failsoft loses, too. The drills run',
    'over real gRPC on one machine: each server and each client is a process. Callers do not wait for each other (a Poisson process),',
    'and every contestant gets the same calls.',
    '',
    surroundingsOf(report),
    ...disturbanceOf(report),
    '',
    `![Heat map of all cells](${CHARTS}/all.svg)`,
    '',
    'The left side shows how many calls were answered in time, by the primary or by a fallback. Green there is not enough: a fallback answers every',
    'call, even while the circuit keeps all calls away from a healthy model. So the right side shows only the answers of the primary, and each',
    'drill below shows what was lost.',
    '',
    '## Contestants',
    '',
    ...CONTESTANTS.map(({ name, about }) => `- **${name}**: ${about}`),
    '',
    'A contestant whose API supports fallbacks asks a smaller model, for at most 100 ms, and answers with a default if that model does not',
    'answer. `none`, `retry` and `outlier` do not support fallbacks.',
    '',
    ...legend(),
    ...report.scenarios.flatMap(sectionOf),
  ].join('\n');
}

function surroundingsOf({ node, machine, versions, seeds, quick, note }: Report): string {
  const { cores, memoryGiB, platform } = machine;
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const lengths = quick
    ? '**This is a quick run: the phases are shorter, and with one seed, small differences are chance.**'
    : `The figures are medians over ${seeds} seeds; [figures.json](${CHARTS}/figures.json) has their spread.`;
  return [
    `${lengths} Node ${node}, ${packages.join(', ')}; ${cores} cores, ${memoryGiB} GiB, ${platform}.`,
    ...(note === undefined ? [] : [note]),
    'To run one drill or one contestant yourself, see `npm run drill -- --help`.',
  ].join('\n');
}

/** A busy machine is reported at the top, not in a footnote. */
function disturbanceOf({ scenarios }: Report): string[] {
  const cells = scenarios.flatMap(({ contestants }) => contestants);
  const disturbed = cells.filter(wasDisturbed).length;
  if (disturbed === 0) return [];
  return [
    '',
    `**The machine was busy with other work: in ${disturbed} of ${cells.length} cells, a healthy server got no processor time for more than ${DISTURBED_MS} ms`,
    '(the column "disturbed"). In these cells, times and late answers depend on the machine as much as on the contestant.**',
  ];
}

function wasDisturbed({ disturbedMs }: { readonly disturbedMs: number }): boolean {
  return disturbedMs > DISTURBED_MS;
}

function legend(): string[] {
  return [
    '## The columns',
    '',
    'Shares are shares of the calls that were made after the trouble began, to the end of the drill.',
    '',
    '- **primary, degraded, error, late**: calls that were answered in time by the primary; answered in time by a fallback; failed before their',
    '  deadline; not answered by their deadline. The four add up to 100 %.',
    '- **p50, p99, max**: how long callers waited for an answer or an error.',
    '- **healthy rejected**: calls that reached no server although a server would have answered. (Each server records every 10 ms whether it would',
    '  answer.)',
    '- **reached sick**: how many calls reached a server while it was unwell, per call that was made in that time; with retries it can be above 100 %.',
    '  The higher the share, the more load the server has while it should recover.',
    '- **fast after**: the time from the beginning of the trouble to the first 0.3 s in which nine in ten callers got an answer, at most 100 ms later than the',
    '  model usually answers. **back after**: the time from the end of the trouble to the first half second with 95 % answers of the primary.',
    '- **false trips**: how often a circuit opened although no server had been unwell in the second before.',
    '- **paid probes**: calls of callers that a circuit used as probes, and that got no answer of the primary.',
    '- **peak**: the most calls that one server had at the same time. **at end**: answers of the primary in the last seconds. Less than 100 % means that the',
    '  trouble goes on although its cause has ended.',
    '- **disturbed**: the longest time for which the machine was too busy to run a healthy server. The figures of a cell above 100 ms are not reliable.',
    '',
  ];
}

function sectionOf(report: ScenarioReport): string[] {
  const { name, phases, capacity } = report;
  const scenario = SCENARIOS.find((candidate) => candidate.name === name);
  if (scenario === undefined) throw new RangeError(`the report has an unknown scenario: ${name}`);
  const { calmMs, faultMs, afterMs } = phases;
  const seconds = (ms: number) => `${ms / 1_000} s`;
  const { perSecond, deadlineMs } = scenario.traffic;
  const course =
    faultMs === 0
      ? `${seconds(calmMs + afterMs)} in all`
      : `${seconds(calmMs)} before the trouble, ${seconds(faultMs)} of trouble, ${seconds(afterMs)} after it`;
  return [
    `## ${name}`,
    '',
    scenario.story,
    `${perSecond} calls/s with deadlines of ${deadlineMs} ms; ${course}.`,
    ...(capacity === undefined
      ? []
      : [
          `${capacity.holds ? 'Checked before the drill' : '**Not as specified**'}: one server answers ${capacity.measured} calls/s (specified: ${capacity.stated}).`,
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
          '[Which aim failsoft misses here, and what was tried](decisions/judgement.md#rows-that-are-not-reached).',
          '',
        ]
      : []),
  ];
}
