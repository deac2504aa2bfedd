/** How much a call matters: where a circuit cannot admit every call, it rejects calls of low priority first. */
export type Priority = 'high' | 'normal' | 'low';

/** Every {@link Priority}. */
export const PRIORITIES: readonly Priority[] = ['high', 'normal', 'low'];

/** The share of a limit that calls of low priority may use. */
const LOW_SHARE = 0.5;
/** The share of a limit that calls of normal priority may use, in a circuit that has calls of high priority too. */
const NORMAL_SHARE = 0.9;
/** The factors of a throttle's probability of a rejection. */
const THROTTLE_FACTORS: Readonly<Record<Priority, number>> = { high: 0.5, normal: 1, low: 2 };

/**
 * How many calls there may be in flight for a call of this priority to be admitted, at least one: half of the limit for low, all of
 * it for high. For normal it is all as well, unless the circuit has calls of high priority: then the last tenth is theirs.
 */
export function limitFor(limit: number, priority: Priority, hasHigh: boolean): number {
  if (priority === 'low') return Math.max(1, Math.ceil(limit * LOW_SHARE));
  return priority === 'normal' && hasHigh ? Math.max(1, Math.floor(limit * NORMAL_SHARE)) : limit;
}

/** The probability with which a throttle rejects a call of this priority. */
export function throttleShareFor(share: number, priority: Priority, mostShare: number): number {
  return Math.min(mostShare, share * THROTTLE_FACTORS[priority]);
}
