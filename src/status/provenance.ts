import { type Metadata, status } from '@grpc/grpc-js';
import { invalid } from '../errors.js';
import type { Answer, Cause, Source } from '../fallback/strategy.js';
import type { Warnings } from '../telemetry/warnings.js';
import { isMetadata } from './normal-status.js';
import { isOwn, OwnMetadata } from './own-metadata.js';
import { boundedMs, LONGEST_MS } from './status-details.js';

const SOURCE = 'failsoft-source';
const CAUSE = 'failsoft-cause';
const AGE = 'failsoft-age-ms';

/** The label of a degraded answer. */
export interface ProvenanceLabel {
  /** Where the answer came from: `last-good`, `secondary:<name>`, `default`, ... */
  readonly source: Source;
  /** Why the primary did not answer: a rejection's reason, a status code's name, or `slow` (`fallbackAfterMs`). */
  readonly cause: string | undefined;
  /** The age of a kept answer in whole milliseconds, finite and not negative; undefined for other answers. */
  readonly ageMs: number | undefined;
}

/** Where an answer came from. */
export interface Provenance extends ProvenanceLabel {
  /** `primary` when no fallback of this process answered. */
  readonly source: Source;
  /** Whether a fallback gave the answer, in this process or behind the server. */
  readonly degraded: boolean;
  /**
   * The label that the server sent with its answer, or undefined. A gateway that uses failsoft can send the label of its own
   * fallback; for this process that answer still comes from the primary.
   */
  readonly upstream: ProvenanceLabel | undefined;
}

/**
 * Where an answer came from, by its initial metadata (the call's `'metadata'` event) or, behind a framework that hides headers,
 * by the message itself. The latter needs a guard with `rememberProvenance: true`, and the very object that the client got: a
 * copy, or a message of a stream, counts as the primary's.
 * @example call.on('metadata', (metadata) => { if (provenanceOf(metadata).degraded) weigh(); });
 * @example const answer = await service.modelInfer(request); if (provenanceOf(answer).degraded) weigh();
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for a message, if no guard of this process has `rememberProvenance: true`
 */
export function provenanceOf(metadataOrAnswer: object): Provenance {
  if (!isMetadata(metadataOrAnswer)) return rememberedProvenance(metadataOrAnswer);
  const metadata = metadataOrAnswer;
  const label = readLabel(metadata);
  if (label === undefined) return PRIMARY;
  if (isOwn(metadata)) return { ...label, degraded: true, upstream: undefined };
  return { ...PRIMARY, degraded: true, upstream: label };
}

/** The provenance of the primary's answer. */
export const PRIMARY: Provenance = Object.freeze({
  source: 'primary',
  degraded: false,
  cause: undefined,
  ageMs: undefined,
  upstream: undefined,
});

/** The key of the process's memory, which all copies of the package share. */
const REMEMBERED = Symbol.for('failsoft.provenance');

/** The sources of fallbacks' answers, by message. */
export type ProvenanceMemory = WeakMap<object, Provenance>;

function existingMemory(): ProvenanceMemory | undefined {
  const known: unknown = Reflect.get(globalThis, REMEMBERED);
  return known instanceof WeakMap ? known : undefined;
}

/** The memory of this process, made at first use. An entry takes 0.3 us per call, so only guards with `rememberProvenance` use it. */
export function provenanceMemory(): ProvenanceMemory {
  const known = existingMemory();
  if (known !== undefined) return known;
  const made: ProvenanceMemory = new WeakMap();
  Object.defineProperty(globalThis, REMEMBERED, { value: made, configurable: true });
  return made;
}

function rememberedProvenance(answer: object): Provenance {
  const memory = existingMemory();
  if (memory === undefined)
    throw invalid('provenanceOf(answer)', 'Metadata, or a guard with rememberProvenance: true', answer);
  return memory.get(answer) ?? PRIMARY;
}

/** Remembers the source of a fallback's answer. The primary's answers need no entry. */
export function rememberProvenance(memory: ProvenanceMemory, answer: Answer<unknown>, cause: Cause): void {
  const { message } = answer;
  if (typeof message === 'object' && message !== null) memory.set(message, provenanceOfAnswer(answer, cause));
}

/** The provenance of a fallback's answer. */
export function provenanceOfAnswer(answer: Answer<unknown>, cause: Cause): Provenance {
  const { source } = answer;
  return { source, degraded: true, cause: causeText(cause), ageMs: ageOf(answer), upstream: undefined };
}

function readLabel(metadata: Metadata): ProvenanceLabel | undefined {
  const source = text(metadata, SOURCE);
  if (source === undefined || source === 'primary') return undefined;
  const ageMs = Number(/^\d{1,16}$/.exec(text(metadata, AGE) ?? '')?.[0] ?? Number.NaN);
  return {
    source,
    cause: text(metadata, CAUSE),
    ageMs: ageMs <= LONGEST_MS ? ageMs : undefined,
  };
}

/** The metadata that labels a degraded answer. Never throws: an entry that grpc-js refuses is reported and left out. */
export function label(answer: Answer<unknown>, cause: Cause, warnings: Warnings): Metadata {
  const metadata = new OwnMetadata();
  if (answer.metadata) setOwn(metadata, answer.source, answer.metadata, warnings); // null from a strategy without types
  metadata.set(SOURCE, printable(answer.source));
  metadata.set(CAUSE, causeText(cause));
  const ageMs = ageOf(answer);
  if (ageMs !== undefined) metadata.set(AGE, String(ageMs));
  return metadata;
}

/** Sets the strategy's own metadata, but no age: an age among them belongs to the label of another guard. */
function setOwn(
  metadata: Metadata,
  source: string,
  own: Exclude<Answer<unknown>['metadata'], undefined>,
  warnings: Warnings,
): void {
  for (const [key, value] of Object.entries(own)) {
    try {
      metadata.set(key, value);
    } catch (error) {
      warnings.report(error, `the metadata of ${source}'s answer`);
    }
  }
  metadata.remove(AGE);
}

/**
 * The age of an answer in whole milliseconds, for the label and the event. Never negative and never above {@link LONGEST_MS},
 * even if the clock of the machine that kept the answer was wrong.
 */
export function ageOf({ ageMs }: Answer<unknown>): number | undefined {
  return ageMs !== undefined && Number.isFinite(ageMs) ? Math.round(boundedMs(ageMs)) : undefined;
}

/** Metadata are ASCII (gRPC over HTTP/2): any other character is shown as a question mark. */
function printable(text: string): string {
  return /[^ -~]/.test(text) ? text.replace(/[^ -~]/gu, '?') : text;
}

/** A cause as a single word, for `failsoft-cause`. */
export function causeText(cause: Cause): string {
  if (cause.kind === 'rejected') return cause.reason;
  if (cause.kind === 'slow') return 'slow';
  return cause.status.code === status.OK ? 'INVALID_ANSWER' : (status[cause.status.code] ?? 'UNKNOWN');
}

function text(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key)[0];
  return typeof value === 'string' ? value : undefined;
}
