import { Metadata, status } from '@grpc/grpc-js';
import type { Answer, Cause, Source } from '../fallback/strategy.js';

const SOURCE = 'failsoft-source';
const CAUSE = 'failsoft-cause';
const AGE = 'failsoft-age-ms';

/** What an answer's metadata says of where it came from. */
export interface Provenance {
  /** `primary` when no fallback answered. */
  readonly source: Source;
  /** Whether the answer is anything but the primary's own. */
  readonly degraded: boolean;
  /** Why the primary did not answer: a rejection's reason, or a status code's name. */
  readonly cause: string | undefined;
  /** How old the answer is, where it was kept. */
  readonly ageMs: number | undefined;
}

/**
 * Reads the label of an answer from its initial metadata (the call's `'metadata'` event).
 * @example call.on('metadata', (metadata) => { if (provenance(metadata).degraded) weigh(); });
 */
export function provenance(metadata: Metadata): Provenance {
  const source = text(metadata, SOURCE) ?? 'primary';
  const age = text(metadata, AGE);
  return {
    source,
    degraded: source !== 'primary',
    cause: text(metadata, CAUSE),
    ageMs: age === undefined ? undefined : Number(age),
  };
}

/** The metadata that labels a degraded answer. */
export function label(answer: Answer<unknown>, cause: Cause): Metadata {
  const metadata = new Metadata();
  if (answer.metadata !== undefined) {
    for (const [key, value] of Object.entries(answer.metadata)) metadata.set(key, value);
  }
  metadata.set(SOURCE, answer.source);
  metadata.set(CAUSE, causeText(cause));
  if (answer.ageMs !== undefined) metadata.set(AGE, String(Math.round(answer.ageMs)));
  return metadata;
}

/** A cause in one word, as `failsoft-cause` has it. */
export function causeText(cause: Cause): string {
  if (cause.kind === 'rejected') return cause.reason;
  return cause.status.code === status.OK ? 'INVALID_ANSWER' : (status[cause.status.code] ?? 'UNKNOWN');
}

function text(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key)[0];
  return typeof value === 'string' ? value : undefined;
}
