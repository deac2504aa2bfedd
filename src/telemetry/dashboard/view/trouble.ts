import type { CircuitSettings } from '../../../guard/guard-options.js';
import { isSecondary } from './names.js';
import type { ProcessView } from './protocol.js';
import { rateOf, type Share, sharesOf } from './series.js';
import type { CircuitState } from './state.js';
import { limitsOf } from './words.js';

/** The levels of trouble, the worst first. */
export const LEVELS = [
  'open',
  'isolated',
  'half-open',
  'recovering',
  'observed',
  'strained',
  'degraded',
  'fine',
  'idle',
] as const;
export type Level = (typeof LEVELS)[number];

/** The facts about a circuit that the page derives from its view. */
export interface Assessment {
  readonly level: Level;
  /** Lower is worse. */
  readonly rank: number;
  /** The shares of the last 30 seconds, or of the time since the circuit is open or isolated, if that is shorter. */
  readonly shares: readonly Share[];
  /** Calls per second. */
  readonly rate: number;
}

/** The times over which shares and rates are computed, in milliseconds. */
const RECENT_MS = 30_000;
const RATE_MS = 6_000;
/** Fewer calls are too few to judge a circuit by. */
const FEW_CALLS = 10;
/** Up to this share, answers that are not the primary's are no trouble. */
const DEGRADED_SHARE = 0.01;

export function assess(
  circuit: CircuitState,
  process: ProcessView | undefined,
  settings: CircuitSettings | undefined,
): Assessment {
  const { view, history } = circuit;
  const stepMs = process?.stepMs ?? 1_000;
  const steps = (ms: number) => Math.max(1, Math.round(ms / stepMs));
  const inState = process === undefined ? RECENT_MS : process.steppedAtMs - view.sinceMs;
  const isDown = view.state === 'open' || view.isolated > 0;
  const shares = sharesOf(
    history,
    steps(isDown ? Math.min(RECENT_MS, Math.max(inState, 3 * stepMs)) : RECENT_MS),
  );
  const rate = rateOf(history, steps(RATE_MS), stepMs);
  const level = levelOf(circuit, settings, shares, rate);
  return { level, rank: LEVELS.indexOf(level), shares, rate };
}

function levelOf(
  { view }: CircuitState,
  settings: CircuitSettings | undefined,
  shares: readonly Share[],
  rate: number,
): Level {
  if (view.mode !== 'off') {
    if (view.isolated > 0) return 'isolated';
    if (view.state === 'open') return view.mode === 'observe' ? 'observed' : 'open';
    if (view.state !== 'closed') return view.state;
    const { failureRate, latencyMs } = limitsOf(settings?.circuit);
    const { calls, latencyMs: latencies, failureRate: failing } = view.window;
    const isFailing = calls >= FEW_CALLS && failing >= (failureRate ?? 0.5) / 2;
    const isSlow = latencyMs !== null && calls >= FEW_CALLS && (latencies?.p99 ?? 0) > latencyMs;
    if (rate > 0 && (isFailing || isSlow)) return 'strained';
  }
  const other = shares.reduce((sum, { source, share }) => sum + (source === 'primary' ? 0 : share), 0);
  if (rate > 0 && other > DEGRADED_SHARE) return 'degraded';
  return rate > 0 || view.inFlight > 0 ? 'fine' : 'idle';
}

/** Whether a circuit of this level counts as being in trouble. */
export function isTrouble(level: Level): boolean {
  return LEVELS.indexOf(level) <= LEVELS.indexOf('degraded');
}

/** How many calls callers make, per second. The calls of a secondary are left out, because they are made for callers' calls. */
export function callersRate(
  subjects: readonly { readonly circuit: CircuitState; readonly assessment: Pick<Assessment, 'rate'> }[],
): number {
  const rates = subjects.map(({ circuit, assessment }) =>
    isSecondary(circuit.view.circuitKey) ? 0 : assessment.rate,
  );
  return rates.reduce((sum, rate) => sum + rate, 0);
}

/** Orders by trouble, then by name, so that circuits change places only where their trouble changes. */
export function byTrouble(
  a: { readonly circuit: CircuitState; readonly assessment: Assessment },
  b: { readonly circuit: CircuitState; readonly assessment: Assessment },
): number {
  const rank = a.assessment.rank - b.assessment.rank;
  if (rank !== 0) return rank;
  return a.circuit.id < b.circuit.id ? -1 : 1;
}
