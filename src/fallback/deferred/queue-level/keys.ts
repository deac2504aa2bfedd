// A job's key begins with when it is due, so that a look at the due ones touches no other, however many wait.
export const JOBS = 'job!';
export const DEAD = 'dead!';
/** Holds how many jobs there are, and is written with each change: a damaged database has fewer than it says. */
export const TOTALS = 'totals';
const TIME_DIGITS = 16; // of the largest safe integer
const JOB_KEY = /^job!\d{16}!/;

export function isJobKey(key: string): boolean {
  return JOB_KEY.test(key);
}

export function keyOf(id: string, dueMs: number): string {
  return `${JOBS}${timeOf(dueMs)}!${id}`;
}

export function idOf(jobKey: string): string {
  return jobKey.slice(JOBS.length + TIME_DIGITS + 1);
}

export function dueOf(jobKey: string): number {
  return Number(jobKey.slice(JOBS.length, JOBS.length + TIME_DIGITS));
}

/** The first key behind those of all jobs that are due. */
export function afterDue(nowMs: number): string {
  return JOBS + timeOf(Math.floor(nowMs) + 1);
}

export function deadKeyOf(id: string, diedAtMs: number): string {
  return `${DEAD}${timeOf(diedAtMs)}!${id}`;
}

/** The first key behind all that begin with the prefix. */
export function after(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

/** Text that sorts as the number does. Rounded up: nothing is due before its time. */
function timeOf(ms: number): string {
  const whole = Math.min(Math.max(0, Math.ceil(ms)), Number.MAX_SAFE_INTEGER);
  return String(whole).padStart(TIME_DIGITS, '0');
}

export function smaller(a: string, b: string): string {
  return a < b ? a : b;
}
