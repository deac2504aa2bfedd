import { Metadata, status } from '@grpc/grpc-js';
import type { Answer, Cause, Source } from '../fallback/strategy.js';
import { warn } from '../telemetry/emitter.js';

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
 * @example call.on('metadata', (metadata) => { if (provenanceOf(metadata).degraded) weigh(); });
 */
export function provenanceOf(metadata: Metadata): Provenance {
  const source = text(metadata, SOURCE) ?? 'primary';
  const age = text(metadata, AGE) ?? '';
  return {
    source,
    degraded: source !== 'primary',
    cause: text(metadata, CAUSE),
    ageMs: /^\d+$/.test(age) ? Number(age) : undefined,
  };
}

/** The metadata that labels a degraded answer. Never throws: what a strategy says beside its answer must not cost it. */
export function label(answer: Answer<unknown>, cause: Cause): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(answer.metadata ?? {})) {
    try {
      metadata.set(key, value);
    } catch (error) {
      warn(error, `the metadata of ${answer.source}'s answer`);
    }
  }
  metadata.set(SOURCE, printable(answer.source));
  metadata.set(CAUSE, causeText(cause));
  const ageMs = ageOf(answer);
  if (ageMs !== undefined) metadata.set(AGE, String(ageMs));
  return metadata;
}

/**
 * How old an answer is, in whole milliseconds, as the label and the event have it; not less than 0, whatever the clock of
 * who kept it says.
 */
export function ageOf({ ageMs }: Answer<unknown>): number | undefined {
  return Number.isFinite(ageMs) ? Math.max(0, Math.round(Number(ageMs))) : undefined;
}

/** Metadata are ASCII (gRPC over HTTP/2): what else a name has in it is shown as question marks. */
function printable(text: string): string {
  return text.replace(/[^ -~]/gu, '?');
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
