/** How much a call matters: a circuit that cannot admit every call rejects calls of low priority first. */
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
 * The limit that applies to calls of this priority, at least 1: half of the circuit's limit for low, all of it for high. For
 * normal it is all as well, unless the circuit has calls of high priority: the last tenth is then reserved for those.
 */
export function limitFor(limit: number, priority: Priority, hasHigh: boolean): number {
  if (priority === 'low') return Math.max(1, Math.ceil(limit * LOW_SHARE));
  return priority === 'normal' && hasHigh ? Math.max(1, Math.floor(limit * NORMAL_SHARE)) : limit;
}

/** The probability with which a throttle rejects a call of this priority. */
export function throttleShareFor(share: number, priority: Priority, mostShare: number): number {
  return Math.min(mostShare, share * THROTTLE_FACTORS[priority]);
}
