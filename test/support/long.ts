/**
 * Whether tests that take long by nature run in full: a hundred kills, the demo's story at a pace that a busy machine can follow,
 * a long soak, training anew. The gate sets it (`FAILSOFT_LONG_TESTS=1`); in `npm test` they are shortened.
 */
export const LONG = process.env.FAILSOFT_LONG_TESTS === '1';

/** The full amount in the gate, and the short one in `npm test`. */
export const inFull = <T>(full: T, short: T): T => (LONG ? full : short);
