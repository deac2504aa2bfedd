import { createRequire } from 'node:module';

/** What the charts use of echarts: a chart without a browser, drawn as the text of an SVG. */
interface Echarts {
  init(
    dom: null,
    theme: null,
    options: { renderer: 'svg'; ssr: true; width: number; height: number },
  ): { setOption(option: object): void; renderToSVGString(): string; dispose(): void };
}

/** Draws one chart. echarts is loaded here, as nothing but a report needs it. */
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

/** Without what only a browser with a script would use, and what echarts numbers: the same figures give the same, smaller file. */
function still(svg: string): string {
  return svg
    .replace(/<style\b.*?<\/style>\s*/gs, '')
    .replace(/ (?:class|pointer-events|ecmeta_\w+)="[^"]*"/g, '')
    .replace(/zr\d+-/g, '');
}
