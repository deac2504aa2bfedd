import { createRequire } from 'node:module';

/** The part of echarts that the charts use: a chart without a browser, drawn as the text of an SVG. */
interface Echarts {
  init(
    dom: null,
    theme: null,
    options: { renderer: 'svg'; ssr: true; width: number; height: number },
  ): { setOption(option: object): void; renderToSVGString(): string; dispose(): void };
}

/** Draws one chart. echarts is loaded here, because only a report needs it. */
export function drawSvg(option: object, width: number, height: number): string {
  const { init }: Echarts = createRequire(import.meta.url)('echarts');
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    const font = { fontFamily: 'sans-serif', fontSize: 11 };
    chart.setOption({ animation: false, backgroundColor: '#fff', textStyle: font, ...option });
    return `${still(chart.renderToSVGString())}\n`;
  } finally {
    chart.dispose();
  }
}

/**
 * Removes the parts that only a script in a browser would use, and the numbers that echarts gives: the same figures give the
 * same, smaller file.
 */
function still(svg: string): string {
  return svg
    .replace(/<style\b.*?<\/style>\s*/gs, '')
    .replace(/ (?:class|pointer-events|ecmeta_\w+)="[^"]*"/g, '')
    .replace(/zr\d+-/g, '');
}
