// A job's key begins with the time at which it is due, so that reading the due jobs touches no other job, however many wait.
export const JOBS = 'job!';
export const DEAD = 'dead!';
/** The key of the totals. They are written with each change, so that a damaged database has fewer jobs than its totals. */
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

/** The first key behind the keys of all due jobs. */
export function afterDue(nowMs: number): string {
  return JOBS + timeOf(Math.floor(nowMs) + 1);
}

export function deadKeyOf(id: string, diedAtMs: number): string {
  return `${DEAD}${timeOf(diedAtMs)}!${id}`;
}

/** The first key behind all keys with the prefix. */
export function after(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

/** Text that sorts like the number. Rounded up, so that no job is due before its time. */
function timeOf(ms: number): string {
  const whole = Math.min(Math.max(0, Math.ceil(ms)), Number.MAX_SAFE_INTEGER);
  return String(whole).padStart(TIME_DIGITS, '0');
}

export function smaller(a: string, b: string): string {
  return a < b ? a : b;
}
