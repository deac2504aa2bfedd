import type { Figures } from './figures.js';

/** The least and the most over the seeds; `null` means never, which is more than any time. */
export type Spread = { readonly [K in keyof Figures]: readonly [number | null, number | null] };

/** The medians of the figures over several seeds, and their spread. */
export function overSeeds(all: readonly Figures[]): { figures: Figures; spread: Spread } {
  const sorted = (name: keyof Figures) =>
    all.map((figures) => figures[name] ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
  const median = (name: keyof Figures) => {
    const values = sorted(name);
    return rounded(values[(values.length - 1) >> 1] ?? 0);
  };
  const known = (name: keyof Figures) => median(name) ?? 0;
  const range = (name: keyof Figures): readonly [number | null, number | null] => {
    const values = sorted(name);
    return [rounded(values[0] ?? 0), rounded(values.at(-1) ?? 0)];
  };
  return {
    figures: {
      primary: known('primary'),
      degraded: known('degraded'),
      errors: known('errors'),
      late: known('late'),
      p50Ms: known('p50Ms'),
      p99Ms: known('p99Ms'),
      maxMs: known('maxMs'),
      healthyRejected: known('healthyRejected'),
      reached: known('reached'),
      detectedMs: median('detectedMs'),
      recoveredMs: median('recoveredMs'),
      falseTrips: known('falseTrips'),
      callerProbes: known('callerProbes'),
      peakInFlight: known('peakInFlight'),
      primaryAtEnd: known('primaryAtEnd'),
      disturbedMs: known('disturbedMs'),
    },
    spread: {
      primary: range('primary'),
      degraded: range('degraded'),
      errors: range('errors'),
      late: range('late'),
      p50Ms: range('p50Ms'),
      p99Ms: range('p99Ms'),
      maxMs: range('maxMs'),
      healthyRejected: range('healthyRejected'),
      reached: range('reached'),
      detectedMs: range('detectedMs'),
      recoveredMs: range('recoveredMs'),
      falseTrips: range('falseTrips'),
      callerProbes: range('callerProbes'),
      peakInFlight: range('peakInFlight'),
      primaryAtEnd: range('primaryAtEnd'),
      disturbedMs: range('disturbedMs'),
    },
  };
}

/** Rounds to four digits behind the point; Infinity, which means never, becomes `null`. */
function rounded(value: number): number | null {
  return Number.isFinite(value) ? Math.round(value * 10_000) / 10_000 : null;
}
