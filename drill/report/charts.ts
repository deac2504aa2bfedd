import { drawSvg } from './echarts.js';
import type { Report, ScenarioReport } from './report.js';

const WIDTH = 900;
const ROW = 22;
const COLORS = { primary: '#2a9d62', degraded: '#e3b23c', errors: '#c8443c', late: '#6c757d' };
const SHARE_SCALE = ['#b2182b', '#f4a582', '#f7f7e8', '#a6d96a', '#1a9850'];

const percent = (share: number) => Math.round(share * 1_000) / 10;

/** One scenario: the shares of the answers on the left, and the course of the primary's answers on the right. */
export function scenarioChart({ contestants, phases }: ScenarioReport): string {
  const names = contestants.map(({ name }) => name);
  const { fromMs = 0, stepMs = 1, primary: course = [] } = contestants[0]?.timeline ?? {};
  const steps = course.map((_, step) => (fromMs + step * stepMs) / 1_000);
  const plot = names.length * ROW;
  const bars = (['primary', 'degraded', 'errors', 'late'] as const).map((end) => ({
    type: 'bar',
    name: end === 'errors' ? 'error' : end,
    stack: 'shares',
    barWidth: ROW * 0.7,
    itemStyle: { color: COLORS[end] },
    data: contestants.map((contestant) => percent(contestant[end])),
  }));
  const strip = {
    type: 'heatmap',
    xAxisIndex: 1,
    yAxisIndex: 1,
    data: contestants.flatMap(({ timeline }, row) =>
      timeline.primary.flatMap((share, step) => (share === null ? [] : [[step, row, percent(share)]])),
    ),
    markLine: {
      symbol: 'none',
      silent: true,
      lineStyle: { color: '#222', type: 'solid', width: 1 },
      label: { show: true, fontSize: 10, position: 'start' },
      data: [
        { xAxis: stepAt(0, fromMs, stepMs), label: { formatter: 'goes wrong' } },
        ...(phases.faultMs >= 500
          ? [{ xAxis: stepAt(phases.faultMs, fromMs, stepMs), label: { formatter: 'is over' } }]
          : []),
      ],
    },
  };
  return drawSvg(
    {
      legend: { left: 120, top: 0, itemWidth: 12, itemHeight: 8, data: bars.map(({ name }) => name) },
      title: {
        text: 'answered by the primary, over time (s)',
        left: 520,
        top: 2,
        textStyle: { fontSize: 11, fontWeight: 'normal' },
      },
      grid: [
        { left: 110, width: 330, top: 40, height: plot },
        { left: 488, width: 395, top: 40, height: plot },
      ],
      xAxis: [
        { type: 'value', max: 100, axisLabel: { formatter: '{value} %' } },
        { type: 'category', gridIndex: 1, data: steps.map((s) => s.toFixed(1)), axisTick: { show: false } },
      ],
      yAxis: [
        { type: 'category', data: names, inverse: true, axisTick: { show: false } },
        { type: 'category', gridIndex: 1, data: names, inverse: true, show: false },
      ],
      visualMap: { show: false, min: 0, max: 100, seriesIndex: bars.length, inRange: { color: SHARE_SCALE } },
      series: [...bars, strip],
    },
    WIDTH,
    plot + 66,
  );
}

/** All cells: the share of calls that were answered in time on the left, and by the primary on the right. */
export function heatMap({ scenarios }: Report): string {
  const rows = scenarios.map(({ name }) => name);
  const columns = (scenarios[0]?.contestants ?? []).map(({ name }) => name);
  const height = rows.length * ROW;
  const panel = (index: number, value: (cell: { primary: number; degraded: number }) => number) => ({
    type: 'heatmap',
    xAxisIndex: index,
    yAxisIndex: index,
    label: { show: true, fontSize: 9, color: '#111' },
    data: scenarios.flatMap(({ contestants }, row) =>
      contestants.map((cell, column) => [column, row, percent(value(cell))]),
    ),
  });
  const title = (text: string, left: number) => ({
    ...{ text, left, top: 2 },
    textStyle: { fontSize: 12, fontWeight: 'normal' },
  });
  return drawSvg(
    {
      title: [
        title('answered in time, by the primary or the fallback (%)', 120),
        title('answered in time by the primary (%)', 520),
      ],
      grid: [
        { left: 120, width: 375, top: 26, height },
        { left: 515, width: 375, top: 26, height },
      ],
      xAxis: [0, 1].map((gridIndex) => ({
        ...{ type: 'category', gridIndex, data: columns, axisTick: { show: false } },
        axisLabel: { rotate: 35, interval: 0, fontSize: 10 },
      })),
      yAxis: [0, 1].map((gridIndex) => ({
        ...{ type: 'category', gridIndex, data: rows, inverse: true, show: gridIndex === 0 },
        axisTick: { show: false },
      })),
      visualMap: { show: false, min: 0, max: 100, inRange: { color: SHARE_SCALE } },
      series: [panel(0, ({ primary, degraded }) => primary + degraded), panel(1, ({ primary }) => primary)],
    },
    WIDTH,
    height + 100,
  );
}

function stepAt(ms: number, fromMs: number, stepMs: number): number {
  return Math.round((ms - fromMs) / stepMs);
}
