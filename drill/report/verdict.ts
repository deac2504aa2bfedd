import type { ContestantReport, ScenarioReport } from './report.js';

/** Shares that differ by at most this are a draw. */
const DRAW = 0.01;
/** Times that differ by at most this are a draw: the recovery is looked for in such steps. */
const DRAW_MS = 200;

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
const answered = ({ primary, degraded }: ContestantReport) => primary + degraded;

/** The contestants that win and lose a scenario, by its figures alone. */
export function verdictOn({ contestants, phases }: ScenarioReport): string {
  const sentences = [
    ranking('Answered the most callers in time', contestants, answered),
    ranking('Got the most answers of the primary', contestants, ({ primary }) => primary),
    phases.faultMs > 0 ? recovery(contestants) : undefined,
    counted('Opened a circuit though the servers were well', contestants, ({ falseTrips }) => falseTrips),
    lost(contestants),
  ];
  return sentences.filter((sentence) => sentence !== undefined).join(' ');
}

function ranking(
  what: string,
  contestants: readonly ContestantReport[],
  value: (contestant: ContestantReport) => number,
): string {
  const best = Math.max(...contestants.map(value));
  const worst = Math.min(...contestants.map(value));
  if (best - worst <= DRAW) return `${what}: a draw (${percent(best)}).`;
  const first = contestants.filter((contestant) => best - value(contestant) <= DRAW);
  const last = contestants.filter((contestant) => value(contestant) - worst <= DRAW);
  return `${what}: ${names(first)} (${percent(best)}); the fewest: ${names(last)} (${percent(worst)}).`;
}

function recovery(contestants: readonly ContestantReport[]): string {
  const back = contestants.filter(({ recoveredMs }) => recoveredMs !== null);
  const never = contestants.filter(({ recoveredMs }) => recoveredMs === null);
  const times = back.map(({ recoveredMs }) => recoveredMs ?? 0);
  const soonest = Math.min(...times);
  const latest = Math.max(...times);
  const parts = [];
  if (back.length > 0) {
    const first = back.filter(({ recoveredMs }) => (recoveredMs ?? 0) - soonest <= DRAW_MS);
    parts.push(`back at 95 % first: ${names(first)} (${seconds(soonest)})`);
    if (latest - soonest > DRAW_MS) {
      const last = back.filter(({ recoveredMs }) => latest - (recoveredMs ?? 0) <= DRAW_MS);
      parts.push(`last: ${names(last)} (${seconds(latest)})`);
    }
  }
  if (never.length > 0) parts.push(`not within the drill: ${names(never)}`);
  const text = parts.join('; ');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function counted(
  what: string,
  contestants: readonly ContestantReport[],
  value: (contestant: ContestantReport) => number,
): string | undefined {
  const some = contestants.filter((contestant) => value(contestant) > 0);
  if (some.length === 0) return undefined;
  return `${what}: ${some.map((contestant) => `${contestant.name} (${value(contestant)}x)`).join(', ')}.`;
}

/** Calls that a healthy server would have answered, where it is worth a sentence. */
function lost(contestants: readonly ContestantReport[]): string | undefined {
  const most = Math.max(...contestants.map(({ healthyRejected }) => healthyRejected));
  if (most < 2 * DRAW) return undefined;
  const worst = contestants.filter(({ healthyRejected }) => most - healthyRejected <= DRAW);
  return `Kept the most calls away from a server that would have answered: ${names(worst)} (${percent(most)}).`;
}

function names(contestants: readonly ContestantReport[]): string {
  return contestants.map(({ name }) => `**${name}**`).join(', ');
}
