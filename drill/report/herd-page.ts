import type { Comparison } from '../simulator/compare.js';
import type { HerdResult } from '../simulator/herd.js';
import { drawSvg } from './echarts.js';

const COLORS = ['#6c757d', '#c8443c', '#e3b23c', '#3a7ca5', '#2a9d62', '#8e5ea2'];

const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
const seconds = (ms: number | null) => (ms === null ? 'never' : `${(ms / 1_000).toFixed(0)} s`);

/** The text of docs/herd.md. @param medians one result per size and variant; `seeds` of each size */
export function herdPage(medians: readonly HerdResult[], comparisons: readonly Comparison[]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    '# A herd comes back',
    '',
    'Many clients lose the same server, and all call it when it is back. `npm run simulate -- --report docs` wrote this page, from a simulation in virtual',
    'time: failsoft’s own circuits, with models of the server (queue, capacity, cold start, death when too many calls wait) and of grpc-js’s channel',
    '(connections and the waits between attempts to connect).',
    '',
    'Each client process makes one call per second; the server can answer one and a half times as many calls. The server dies, and comes back cold after',
    'ten seconds: at first it is a fifth as fast as usual, and after ten seconds of calls it is as fast as usual. When the calls of half a second (at least five',
    'calls) wait, the server dies again, for three seconds. The figures cover the minute after its return; they are medians over seeds (one seed for 10,000 clients).',
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
    '- **tried while down**: calls per client and second that the clients tried to send to the dead server; most of them find no connection. At 1.00, all',
    '  calls were tried.',
    '- **rush**: the calls in the busiest of the first ten seconds after the return, as a share of the usual calls per second.',
    '- **back at 95 %**: the first second with 95 % answers of the primary. **second outages**: how often the server died again.',
    '- **primary, the minute after**: the share of calls that the primary answered in the minute after its return.',
    '',
    'Clients with a circuit use the channel of `clientOptions()`: it tries to connect at least every half second, and the open time ends as soon as the',
    'channel is connected. With a hundred clients or more, the server comes back fast and does not die again. **With ten clients, the server dies again and',
    'again, with or without a ramp.** A cold server answers three of their ten calls per second, and dies when five calls wait. A client that makes',
    'one call per second never has two calls in flight, so a limit on calls in flight cannot hold it back; and a client needs five seconds for five failures',
    'in a row, of which the server survives two. A limit below one call at a time after a failure was tried (9 % of the calls answered instead of',
    '6 %), and left out. Such a server needs a bounded queue of its own.',
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
    '## Does the simulator agree with the wire?',
    '',
    'The simulator also runs those of the [drills](drills.md) that it has all parts of. For each figure, its spread over the seeds is compared with the',
    `spread on the wire: **${agreeing} of ${comparisons.length} figures agree** within their tolerance (5 % of the calls, 15 ms, 0.4 s).`,
    ...(differing.length === 0 ? [] : ['These figures do not agree:']),
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
