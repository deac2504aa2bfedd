import type uPlotClass from 'uplot';
import { latency, perSecond, timeOfDay } from '../view/format.js';
import { sourceName } from '../view/names.js';
import type { Sample } from '../view/protocol.js';
import { stacked } from '../view/series.js';
import { sourceColour } from './colours.js';
import { el } from './dom.js';

declare const uPlot: typeof uPlotClass;

const HEIGHT = 190;

interface Line {
  readonly label: string;
  /** A variable of the style sheet. */
  readonly colour: string;
  readonly isFilled?: boolean;
  readonly isDashed?: boolean;
}

/** A chart over time. The plot is made again when its lines or the colours change. */
class Chart {
  readonly element: HTMLElement;
  readonly #box = el('div', { class: 'plot' });
  readonly #format: (value: number) => string;
  readonly #resized = new ResizeObserver(() => this.#plot?.setSize({ width: this.#width, height: HEIGHT }));
  #plot: uPlotClass | undefined;
  #lines = '';

  constructor(title: string, format: (value: number) => string) {
    this.#format = format;
    this.element = el('figure', { class: 'chart' }, el('figcaption', {}, title), this.#box);
    this.#resized.observe(this.#box);
  }

  get #width(): number {
    return Math.max(200, this.#box.clientWidth);
  }

  draw(lines: readonly Line[], data: uPlotClass.AlignedData, isForced: boolean): void {
    const names = JSON.stringify(lines);
    if (isForced || names !== this.#lines || this.#plot === undefined) {
      this.#lines = names;
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#options(lines), data, this.#box);
      // hidden from screen readers: the figures stand beside the picture as text
      this.#box.firstElementChild?.setAttribute('aria-hidden', 'true');
    } else this.#plot.setData(data);
  }

  /** uPlot keeps every plot that is not destroyed, with its elements, and measures it again at each scroll. */
  close(): void {
    this.#resized.disconnect();
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  #options(lines: readonly Line[]): uPlotClass.Options {
    const styles = getComputedStyle(document.documentElement);
    const colour = (name: string) => styles.getPropertyValue(`--${name}`).trim();
    const axis = {
      stroke: colour('faint'),
      font: '11px system-ui',
      grid: { stroke: colour('grid'), width: 1 },
      ticks: { show: false },
    };
    const format = this.#format;
    return {
      width: this.#width,
      height: HEIGHT,
      cursor: { y: false, drag: { x: false, y: false } },
      legend: { live: true },
      scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, max) * 1.1] } },
      axes: [
        {
          ...axis,
          space: 80,
          size: 32,
          values: (_plot, splits) => splits.map((seconds) => timeOfDay(seconds * 1_000)),
        },
        { ...axis, size: 56, values: (_plot, splits) => splits.map(format) },
      ],
      series: [
        { value: (_plot, value) => (value == null ? '' : timeOfDay(value * 1_000)) },
        ...lines.map(({ label, colour: name, isFilled, isDashed }) => ({
          label,
          stroke: colour(name),
          width: isFilled ? 1 : 1.75,
          ...(isFilled && { fill: colour(name) }),
          ...(isDashed && { dash: [5, 4] }),
          points: { show: false },
          value: (plot: uPlotClass, value: number | null, series: number, index: number | null) => {
            if (value == null) return '–';
            const below = isFilled && index !== null ? (plot.data[series + 1]?.[index] ?? 0) : 0;
            return format(value - below);
          },
        })),
      ],
    };
  }
}

/** The charts of a circuit's own page. */
export class Charts {
  readonly element: HTMLElement;
  readonly #rate = new Chart('Calls per second', (value) => `${perSecond(value)}/s`);
  readonly #latency = new Chart('Latency', latency);
  readonly #answers = new Chart('Answers by source, per second, stacked', (value) => `${perSecond(value)}/s`);

  constructor() {
    this.element = el(
      'div',
      { class: 'charts' },
      this.#latency.element,
      this.#answers.element,
      this.#rate.element,
    );
  }

  draw(
    history: readonly Sample[],
    times: { readonly stepMs: number; readonly steps: number; readonly steppedAtMs: number },
    sources: readonly string[],
    limitMs: number | null,
    isForced: boolean,
  ): void {
    const { stepMs, steps, steppedAtMs } = times;
    const x = Array.from(
      { length: steps },
      (_, index) => (steppedAtMs - (steps - 1 - index) * stepMs) / 1_000,
    );
    const missing = new Array<null>(Math.max(0, steps - history.length)).fill(null);
    const padded = (values: readonly (number | null)[]) => [...missing, ...values].slice(-steps);
    const perSecondOf = (count: number) => count / (stepMs / 1_000);
    this.#rate.draw(
      [
        { label: 'calls', colour: 'accent' },
        { label: 'rejected', colour: 'open', isDashed: true },
      ],
      [
        x,
        padded(history.map(({ calls }) => perSecondOf(calls))),
        padded(history.map(({ rejected }) => perSecondOf(rejected))),
      ],
      isForced,
    );
    const limit = limitMs === null ? [] : [{ label: 'limit', colour: 'open', isDashed: true }];
    this.#latency.draw(
      [{ label: 'p99', colour: 'accent' }, { label: 'p50', colour: 'faint-line' }, ...limit],
      [
        x,
        padded(history.map(({ p99 }) => p99)),
        padded(history.map(({ p50 }) => p50)),
        ...(limitMs === null ? [] : [x.map(() => limitMs)]),
      ],
      isForced,
    );
    const layers = stacked(history, sources, stepMs);
    // drawn from the top layer down: each lower layer covers the part of the fill that belongs to it
    const order = sources.map((_, index) => sources.length - 1 - index);
    this.#answers.draw(
      order.map((index) => {
        const source = sources[index] ?? '';
        return { label: sourceName(source), colour: `source-${sourceColour(source)}`, isFilled: true };
      }),
      [x, ...order.map((index) => padded(layers[index] ?? []))],
      isForced,
    );
  }

  close(): void {
    for (const chart of [this.#rate, this.#latency, this.#answers]) chart.close();
  }
}
