import type { DeadJob, DeferredJob } from './queue.js';

/** Reads a job from a store; undefined for anything else. */
export function jobFrom(value: unknown): DeferredJob | undefined {
  return isJob(value) ? value : undefined;
}

/** Reads a dead job from a store; undefined for anything else. */
export function deadJobFrom(value: unknown): DeadJob | undefined {
  if (typeof value !== 'object' || value === null || !('job' in value) || !isJob(value.job)) return undefined;
  const reason = 'reason' in value ? String(value.reason) : '';
  const diedAtMs = 'diedAtMs' in value && typeof value.diedAtMs === 'number' ? value.diedAtMs : 0;
  return { job: value.job, reason, diedAtMs };
}

/** Undefined for text that is no JSON. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The size of a job as a store keeps it, in bytes. */
export function sizeOf(job: DeferredJob): number {
  return Buffer.byteLength(JSON.stringify(job));
}

const TEXTS = ['id', 'method', 'request'] as const;
const NUMBERS = ['acceptedAtMs', 'expiresAtMs', 'replays', 'failures', 'excused'] as const;

function isJob(value: unknown): value is DeferredJob {
  if (typeof value !== 'object' || value === null) return false;
  const fields: Partial<Record<string, unknown>> = { ...value };
  return (
    TEXTS.every((name) => typeof fields[name] === 'string') &&
    NUMBERS.every((name) => typeof fields[name] === 'number') &&
    Array.isArray(fields.metadata)
  );
}
