import type { DeferredJob } from '../queue.js';

// A job's key begins with when it is due, so that a look at the due ones touches no other, however many wait.
export const JOBS = 'job!';
export const DEAD = 'dead!';
const TIME_DIGITS = 16; // of the largest safe integer
const JOB_KEY = /^job!\d{16}!/;

export function isJobKey(key: string): boolean {
  return JOB_KEY.test(key);
}

export function keyOf(job: DeferredJob): string {
  return `${JOBS}${timeOf(job.notBeforeMs)}!${job.id}`;
}

export function idOf(jobKey: string): string {
  return jobKey.slice(JOBS.length + TIME_DIGITS + 1);
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
