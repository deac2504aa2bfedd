import { Labels } from '../readings/labels.js';
import type { MeteredGuard } from '../readings/metered-guard.js';
import type { RegisteredFamilies } from './registered-families.js';

/**
 * Observes each call of a guard when it ends, in a histogram that all guards of a registry share.
 * @param buckets in seconds; ignored if another guard of the registry has made the histogram already
 * @returns a function that stops the observation
 */
export function observeDurations(
  guard: MeteredGuard,
  families: RegisteredFamilies,
  labels: Readonly<Record<string, string>>,
  buckets: readonly number[],
  maxMethods: number,
): () => void {
  const histogram = families.durations(buckets);
  const methods = new Labels(maxMethods, false);
  return guard.on('call', ({ method, outcome, durationMs }) => {
    histogram.observe({ ...labels, method: methods.of(method), outcome }, durationMs / 1000);
  });
}
