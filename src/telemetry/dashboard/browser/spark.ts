import type { Sample } from '../view/protocol.js';
import { type Segment, stacked } from '../view/series.js';
import { sourceColour } from './colours.js';
import { setAttribute, svg } from './dom.js';

// Small pictures of the last minutes, as SVG: their colours come from the style sheet, and they stay sharp at any size. They are
// drawn on WIDTH by HEIGHT and stretched to their place.
const WIDTH = 120;
const HEIGHT = 24;

function picture(name: string, ...children: SVGElement[]): SVGSVGElement {
  return svg(
    'svg',
    {
      class: `spark ${name}`,
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      'aria-hidden': 'true',
    },
    ...children,
  );
}

/** The path of values, oldest first, in the last places of `steps`. A null leaves a gap. */
function line(values: readonly (number | null)[], steps: number, top: number): string {
  let path = '';
  let isDrawing = false;
  const first = steps - values.length;
  values.forEach((value, index) => {
    if (value === null) {
      isDrawing = false;
      return;
    }
    const x = (((first + index) / Math.max(1, steps - 1)) * WIDTH).toFixed(1);
    const y = (HEIGHT - 1 - (Math.min(value, top) / top) * (HEIGHT - 3)).toFixed(1);
    path += `${isDrawing ? 'L' : 'M'}${x} ${y}`;
    isDrawing = true;
  });
  return path;
}

/** Calls per step as an area. */
export class RateSpark {
  readonly element: SVGSVGElement;
  readonly #area = svg('path', { class: 'area' });
  readonly #line = svg('path', { class: 'line' });

  constructor() {
    this.element = picture('rate', this.#area, this.#line);
  }

  draw(history: readonly Sample[], steps: number): void {
    const values = history.map(({ calls }) => calls);
    const path = line(values, steps, Math.max(1, ...values));
    setAttribute(this.#line, 'd', path);
    const left = (((steps - values.length) / Math.max(1, steps - 1)) * WIDTH).toFixed(1);
    setAttribute(this.#area, 'd', path && `${path}L${WIDTH} ${HEIGHT}L${left} ${HEIGHT}Z`);
  }
}

/** The median and the 99th percentile, with the limit of the trip rules as a dashed line. */
export class LatencySpark {
  readonly element: SVGSVGElement;
  readonly #p50 = svg('path', { class: 'line p50' });
  readonly #p99 = svg('path', { class: 'line p99' });
  readonly #limit = svg('path', { class: 'limit' });

  constructor() {
    this.element = picture('latency', this.#limit, this.#p99, this.#p50);
  }

  draw(history: readonly Sample[], steps: number, limitMs: number | null): void {
    const p50 = history.map((sample) => sample.p50);
    const p99 = history.map((sample) => sample.p99);
    const top = Math.max(1, limitMs === null ? 0 : limitMs * 1.25, ...p99.map((value) => value ?? 0));
    setAttribute(this.#p50, 'd', line(p50, steps, top));
    setAttribute(this.#p99, 'd', line(p99, steps, top));
    const y = limitMs === null ? 0 : HEIGHT - 1 - (limitMs / top) * (HEIGHT - 3);
    setAttribute(this.#limit, 'd', limitMs === null ? '' : `M0 ${y.toFixed(1)}H${WIDTH}`);
  }
}

/** The shares of the sources, stacked over time. All steps have the same height, because only shares are shown. */
export class AnswersSpark {
  readonly element = picture('answers');

  draw(history: readonly Sample[], steps: number, sources: readonly string[]): void {
    const { element } = this;
    while (element.childElementCount > sources.length) element.lastElementChild?.remove();
    while (element.childElementCount < sources.length) element.append(svg('path'));
    const layers = stacked(history, sources, 1_000);
    const totals = layers.at(-1) ?? [];
    const width = WIDTH / steps;
    const first = steps - history.length;
    sources.forEach((source, layer) => {
      let path = '';
      history.forEach((_sample, index) => {
        const total = totals[index] ?? 0;
        const to = layers[layer]?.[index] ?? 0;
        const from = layer === 0 ? 0 : (layers[layer - 1]?.[index] ?? 0);
        if (total === 0 || to <= from) return;
        const x = ((first + index) * width).toFixed(2);
        const y = (HEIGHT * (1 - to / total)).toFixed(2);
        path += `M${x} ${y}h${width.toFixed(2)}v${((HEIGHT * (to - from)) / total).toFixed(2)}h-${width.toFixed(2)}z`;
      });
      const child = element.children[layer];
      if (child === undefined) return;
      setAttribute(child, 'd', path);
      setAttribute(child, 'class', `fill-${sourceColour(source)}`);
    });
  }
}

/** The height of a state in the strip, so that the shape shows the state as the colour does. */
const HEIGHTS: Readonly<Record<Segment['state'], number>> = {
  closed: 0.22,
  recovering: 0.5,
  'half-open': 0.72,
  open: 1,
  isolated: 1,
};
const STATES = Object.keys(HEIGHTS) as Segment['state'][];

/** The states over time. */
export class StateStrip {
  readonly element: SVGSVGElement;
  readonly #paths = new Map(STATES.map((state) => [state, svg('path', { class: `fill-state-${state}` })]));

  constructor() {
    this.element = picture('strip', ...this.#paths.values());
  }

  draw(segments: readonly Segment[], fromMs: number, toMs: number): void {
    const paths = new Map<string, string>();
    const scale = WIDTH / Math.max(1, toMs - fromMs);
    for (const segment of segments) {
      const x = (segment.fromMs - fromMs) * scale;
      // a short state must still be visible
      const width = Math.max(0.8, (segment.toMs - segment.fromMs) * scale);
      const height = HEIGHTS[segment.state] * HEIGHT;
      const d = `M${x.toFixed(2)} ${(HEIGHT - height).toFixed(1)}h${width.toFixed(2)}v${height.toFixed(1)}h-${width.toFixed(2)}z`;
      paths.set(segment.state, (paths.get(segment.state) ?? '') + d);
    }
    for (const [state, path] of this.#paths) setAttribute(path, 'd', paths.get(state) ?? '');
  }
}
