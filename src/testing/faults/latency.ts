import { standardNormal } from '../random.js';
import type { FaultPlan, Latency } from './plan.js';

/** Draws a latency, in milliseconds. */
export function drawLatency(latency: Latency, random: () => number): number {
  switch (latency.kind) {
    case 'fixed':
      return latency.ms;
    case 'uniform':
      return latency.minMs + (latency.maxMs - latency.minMs) * random();
    case 'normal':
      return Math.max(0, latency.meanMs + latency.standardDeviationMs * standardNormal(random));
    case 'lognormal':
      return latency.medianMs * Math.exp(latency.sigma * standardNormal(random));
    case 'exponential':
      return -latency.meanMs * Math.log(1 - random());
  }
}

/** The factor on a model's latency, `sinceMs` after its plan was set. */
export function latencyFactor(plan: FaultPlan, sinceMs: number): number {
  const multiplier = plan.latencyMultiplier ?? 1;
  const { warmUp } = plan;
  if (!warmUp || sinceMs >= warmUp.durationMs) return multiplier;
  return multiplier * (warmUp.multiplier + (1 - warmUp.multiplier) * (sinceMs / warmUp.durationMs));
}
