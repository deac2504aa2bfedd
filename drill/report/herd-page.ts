import type { Comparison } from '../simulator/compare.js';
import type { HerdResult } from '../simulator/herd.js';
import { drawSvg } from './echarts.js';

const COLORS = ['#6c757d', '#c8443c', '#e3b23c', '#3a7ca5', '#2a9d62', '#8e5ea2'];

const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
const seconds = (ms: number | null) => (ms === null ? 'never' : `${(ms / 1_000).toFixed(0)} s`);

/** docs/herd.md. @param medians one result per size and variant; `seeds` of each size */
export function herdPage(medians: readonly HerdResult[], comparisons: readonly Comparison[]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    '# A herd comes back',
    '',
    '`npm run simulate -- --report docs` wrote this page, in virtual time: failsoft’s own circuits, a model of the server (queue, capacity,',
    'cold start, death when too many wait) and of grpc-js’s channel (its connections and its waits between them), with seeds.',
    '',
    'So many client processes make a call per second each; the server can do half as much again. It dies, and is back after ten seconds,',
    'cold: a fifth as fast at first, and as usual after ten seconds of being called. When the calls of half a second wait, it dies again, for',
    'three seconds. What is shown is a minute from its return; figures are medians over seeds (one seed for 10,000 clients).',
    '',
    `![Answers of the primary after the outage, 1,000 clients](herd/herd.svg)`,
    '',
    row([
      'clients',
      'they come back with',
      'tried while down',
      'rush',
      'back at 95 %',
      'second outages',
      'primary, the minute after',
    ]),
    '|---:|---|---:|---:|---:|---:|---:|',
    ...medians.map((result) =>
      row([
        result.clients.toLocaleString('en'),
        result.variant,
        `${result.triedWhileDown.toFixed(2)}/s`,
        percent(result.rushShare),
        seconds(result.recoveredMs),
        String(result.secondOutages),
        percent(result.primaryAfter),
      ]),
    ),
    '',
    '- **tried while down**: calls per client and second that were sent towards the dead server, though most find no connection. 1.00 is all of them.',
    '- **rush**: the busiest second of the server’s first ten, as a share of what it gets when all is well.',
    '- **back at 95 %**: the first second with 95 % answers of the primary. **second outages**: how often it died again.',
    '',
    'With a circuit the clients have the channel of `clientOptions()`, which connects within half a second, and its state ends the open time. From',
    'a hundred clients on, this is as gentle as it is fast. **Ten clients kill their server again and again, with or without a ramp**: cold, it',
    'answers three of their ten calls per second, and five that wait kill it. A client with a call per second has never two calls in flight, so',
    'that no limit of its own holds it back, and its five failures in a row would take five seconds, of which the server survives two. A limit',
    'below one call at a time after a failure was tried (9 % in place of 6 %), and left out. Such a server needs a bounded queue of its own.',
    '',
    ...beliefIn(comparisons),
  ].join('\n');
}

function beliefIn(comparisons: readonly Comparison[]): string[] {
  if (comparisons.length === 0) return [];
  const differing = comparisons.filter(({ agrees }) => !agrees);
  const agreeing = comparisons.length - differing.length;
  const figure = (value: number | null) =>
    value === null ? 'never' : String(Math.round(value * 1_000) / 1_000);
  return [
    '## Whether to believe it',
    '',
    'The simulator runs the [drills](drills.md) of the wire, too, where it has all that they need. For each figure the spread over its seeds is compared with the',
    `wire’s: **${agreeing} of ${comparisons.length} figures agree** within their tolerance (5 % of the calls, 15 ms, 0.4 s).`,
    ...(differing.length === 0 ? [] : ['These do not:']),
    '',
    ...(differing.length === 0
      ? []
      : [
          '| drill | contestant | figure | wire | simulated |',
          '|---|---|---|---:|---:|',
          ...differing.map(
            ({ scenario, contestant, figure: name, wire, simulated }) =>
              `| ${scenario} | ${contestant} | ${name} | ${wire.map(figure).join(' to ')} | ${simulated.map(figure).join(' to ')} |`,
          ),
          '',
        ]),
  ];
}

/** The share of the primary's answers, second by second, one line per variant. */
export function herdChart(results: readonly HerdResult[]): string {
  const seconds = (results[0]?.course ?? []).map((_, second) => String(second));
  return drawSvg(
    {
      color: COLORS,
      legend: { top: 0, data: results.map(({ variant }) => variant) },
      grid: { left: 50, right: 20, top: 50, bottom: 40 },
      xAxis: { type: 'category', data: seconds, name: 'seconds', nameLocation: 'middle', nameGap: 25 },
      yAxis: { type: 'value', max: 100, axisLabel: { formatter: '{value} %' } },
      series: results.map(({ variant, course }) => ({
        ...{ type: 'line', name: variant, showSymbol: false, lineStyle: { width: 1.5 } },
        data: course.map((share) => Math.round(share * 100)),
      })),
    },
    900,
    340,
  );
}
