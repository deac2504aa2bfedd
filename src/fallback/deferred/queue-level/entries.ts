import { deadJobFrom, jobFrom, parse } from '../job-json.js';
import type { DeadJob, DeferredJob } from '../queue.js';
import { crc32c } from './format/crc32c.js';

// LevelDB does not check the checksums of its tables, so each entry has its own checksum. It covers the key too, because a damaged
// block may give a value under the key of another entry.

/** A write to one key. */
export type Operation = { type: 'put'; key: string; value: string } | { type: 'del'; key: string };

/** A job as it is stored. */
export interface StoredJob {
  readonly job: DeferredJob;
  /** The delay after which it is due, counted from when it was put back; 0 for a job that waits for the first time. */
  readonly delayMs: number;
}

/** How much the queue holds. */
export interface Totals {
  readonly jobs: number;
  /** The size of the values of all jobs. */
  readonly bytes: number;
  readonly dead: number;
}

export const NOTHING: Totals = { jobs: 0, bytes: 0, dead: 0 };
export const ONE_JOB: Totals = { ...NOTHING, jobs: 1 };

/** Adds a change, or takes it away again (`times` -1). */
export function plus(totals: Totals, change: Totals, times = 1): Totals {
  return {
    jobs: totals.jobs + times * change.jobs,
    bytes: totals.bytes + times * change.bytes,
    dead: totals.dead + times * change.dead,
  };
}

/** The value to store under a key. */
export function seal(key: string, value: StoredJob | DeadJob | Totals | UnreadableEntry): string {
  const json = JSON.stringify(value);
  return checksum(key, json) + json;
}

/** An entry that could not be read, kept as a dead job for a person to examine. */
export interface UnreadableEntry {
  readonly reason: 'unreadable';
  readonly text: string;
}

export function storedJobFrom(key: string, text: string): StoredJob | undefined {
  const value = open(key, text);
  if (typeof value !== 'object' || value === null || !('job' in value)) return undefined;
  const job = jobFrom(value.job);
  if (job === undefined || !('delayMs' in value) || typeof value.delayMs !== 'number') return undefined;
  return { job, delayMs: value.delayMs };
}

export function storedDeadFrom(key: string, text: string): DeadJob | undefined {
  return deadJobFrom(open(key, text));
}

export function totalsFrom(key: string, text: string): Totals | undefined {
  const value = open(key, text);
  if (typeof value !== 'object' || value === null) return undefined;
  const { jobs, bytes, dead }: Partial<Record<keyof Totals, unknown>> = value;
  if (typeof jobs !== 'number' || typeof bytes !== 'number' || typeof dead !== 'number') return undefined;
  return { jobs, bytes, dead };
}

/** Whether the entry is as it was written. */
export function isSound(key: string, text: string): boolean {
  return open(key, text) !== undefined;
}

const CHECKSUM_DIGITS = 8;

function open(key: string, text: string): unknown {
  const json = text.slice(CHECKSUM_DIGITS);
  return text.slice(0, CHECKSUM_DIGITS) === checksum(key, json) ? parse(json) : undefined;
}

function checksum(key: string, json: string): string {
  return crc32c(Buffer.from(`${key}\n${json}`))
    .toString(16)
    .padStart(CHECKSUM_DIGITS, '0');
}
