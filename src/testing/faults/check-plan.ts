import { checkBoolean, checkInteger, checkKeys, checkNumber, checkOneOf } from '../../checks.js';
import { invalid } from '../../errors.js';
import type { ErrorFault, FaultPlan, Latency, QueueLimit, StreamBreak, StreamFault } from './plan.js';

const HOUR_MS = 3_600_000;
const MAX_INT32 = 2 ** 31 - 1;
/** The range of google.protobuf.Duration: about 10,000 years. */
const LONGEST_DURATION_MS = 315_576_000_000_000;
/**
 * The longest text and trailers of a status on the wire, by the default of gRPC peers. Longer trailers would stall the
 * connection.
 */
const MAX_STATUS_BYTES = 8_192;
/** Overhead of a header beside its name and value in HTTP/2 (RFC 9113, section 6.5.2). */
const HEADER_OVERHEAD = 32;
/** HTTP/2 forbids the first six in a message; gRPC itself sets the others. */
const RESERVED_TRAILERS = [
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
  'content-type',
  'content-length',
  '__proto__',
];

const LATENCY_FIELDS: Readonly<Record<Latency['kind'], readonly string[]>> = {
  fixed: ['ms'],
  uniform: ['minMs', 'maxMs'],
  normal: ['meanMs', 'standardDeviationMs'],
  lognormal: ['medianMs', 'sigma'],
  exponential: ['meanMs'],
};
const LATENCY_KINDS = ['fixed', 'uniform', 'normal', 'lognormal', 'exponential'] as const;

const BREAK_FIELDS: Readonly<Record<StreamBreak['kind'], readonly string[]>> = {
  error: ['code', 'details'],
  'error-message': ['message'],
  stall: [],
  drop: [],
};
const BREAK_KINDS = ['error', 'error-message', 'stall', 'drop'] as const;

/**
 * Checks every field of a fault plan, and copies it.
 * @param field the plan's name in error messages
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function checkFaultPlan(field: string, plan: FaultPlan): FaultPlan {
  checkKeys(field, plan, [
    'latency',
    'latencyMultiplier',
    'warmUp',
    'error',
    'hangShare',
    'dropShare',
    'queue',
    'notReady',
    'stream',
  ]);
  if (plan.latency !== undefined) checkLatency(`${field}.latency`, plan.latency);
  if (plan.latencyMultiplier !== undefined)
    checkNumber(`${field}.latencyMultiplier`, plan.latencyMultiplier, 0, 1e6);
  if (plan.warmUp !== undefined) {
    checkKeys(`${field}.warmUp`, plan.warmUp, ['multiplier', 'durationMs']);
    checkNumber(`${field}.warmUp.multiplier`, plan.warmUp.multiplier, 1, 1e6);
    checkNumber(`${field}.warmUp.durationMs`, plan.warmUp.durationMs, 0, HOUR_MS);
  }
  if (plan.error !== undefined) checkError(`${field}.error`, plan.error);
  if (plan.hangShare !== undefined) checkNumber(`${field}.hangShare`, plan.hangShare, 0, 1);
  if (plan.dropShare !== undefined) checkNumber(`${field}.dropShare`, plan.dropShare, 0, 1);
  if (plan.queue !== undefined) checkQueueLimit(`${field}.queue`, plan.queue);
  if (plan.notReady !== undefined) checkBoolean(`${field}.notReady`, plan.notReady);
  if (plan.stream !== undefined) checkStream(`${field}.stream`, plan.stream);
  return structuredClone(plan);
}

function checkLatency(field: string, latency: Latency): void {
  checkKeys(field, latency, ['kind', ...Object.values(LATENCY_FIELDS).flat()]);
  checkOneOf(`${field}.kind`, latency.kind, LATENCY_KINDS);
  checkKeys(field, latency, ['kind', ...LATENCY_FIELDS[latency.kind]]);
  for (const [name, value] of Object.entries(latency)) {
    if (name !== 'kind') checkNumber(`${field}.${name}`, value, 0, name === 'sigma' ? 10 : HOUR_MS);
  }
  for (const name of LATENCY_FIELDS[latency.kind]) {
    if (!(name in latency)) throw invalid(`${field}.${name}`, 'a number', undefined);
  }
  if (latency.kind === 'uniform' && latency.maxMs < latency.minMs)
    throw invalid(`${field}.maxMs`, `at least minMs (${latency.minMs})`, latency.maxMs);
}

function checkError(field: string, error: ErrorFault): void {
  checkKeys(field, error, ['share', 'code', 'details', 'pushbackMs', 'retryDelayMs', 'trailers']);
  if (error.share !== undefined) checkNumber(`${field}.share`, error.share, 0, 1);
  checkStatus(field, error);
  if (error.pushbackMs !== undefined)
    checkInteger(`${field}.pushbackMs`, error.pushbackMs, -MAX_INT32 - 1, MAX_INT32);
  if (error.retryDelayMs !== undefined)
    checkNumber(`${field}.retryDelayMs`, error.retryDelayMs, 0, LONGEST_DURATION_MS);
  if (error.trailers !== undefined) checkTrailers(`${field}.trailers`, error.trailers);
}

function checkTrailers(field: string, trailers: Readonly<Record<string, string>>): void {
  if (typeof trailers !== 'object' || trailers === null || Array.isArray(trailers))
    throw invalid(field, 'an object', trailers);
  let bytes = 0;
  for (const [name, value] of Object.entries(trailers)) {
    // The names of gRPC cannot be set; the two that matter have options (`pushbackMs`, `retryDelayMs`).
    if (!/^[0-9a-z_.-]+$/.test(name) || name.endsWith('-bin') || name.startsWith('grpc-'))
      throw invalid(field, 'lower-case ASCII names without grpc- before and -bin after', name);
    if (RESERVED_TRAILERS.includes(name))
      throw invalid(field, `names other than ${RESERVED_TRAILERS.join(', ')}`, name);
    if (typeof value !== 'string' || !/^[\x20-\x7e]*$/.test(value))
      throw invalid(`${field}.${name.slice(0, 80)}`, 'printable ASCII', value);
    bytes += name.length + value.length + HEADER_OVERHEAD;
  }
  if (bytes > MAX_STATUS_BYTES) throw invalid(field, `at most ${MAX_STATUS_BYTES} bytes in all`, bytes);
}

function checkStatus(field: string, status: { readonly code: number; readonly details?: string }): void {
  checkInteger(`${field}.code`, status.code, 1, 16);
  if (status.details !== undefined) checkText(`${field}.details`, status.details);
}

function checkText(field: string, text: unknown): void {
  if (typeof text !== 'string') throw invalid(field, 'a string', text);
  const bytes = encodedLength(text);
  if (bytes === undefined) throw invalid(field, 'text without half a surrogate pair', text);
  if (bytes > MAX_STATUS_BYTES)
    throw invalid(field, `at most ${MAX_STATUS_BYTES} bytes, percent-encoded`, bytes);
}

/** Encodes a text as grpc-js does for a status; undefined if it cannot be encoded. */
function encodedLength(text: string): number | undefined {
  try {
    return encodeURI(text).length;
  } catch {
    return undefined;
  }
}

function checkQueueLimit(field: string, queue: QueueLimit): void {
  checkKeys(field, queue, ['concurrency', 'maxQueued', 'timeoutMs']);
  checkInteger(`${field}.concurrency`, queue.concurrency, 1, MAX_INT32);
  checkInteger(`${field}.maxQueued`, queue.maxQueued, 0, MAX_INT32);
  if (queue.timeoutMs !== undefined) checkNumber(`${field}.timeoutMs`, queue.timeoutMs, 0, HOUR_MS);
}

function checkStream(field: string, stream: StreamFault): void {
  checkKeys(field, stream, ['gapMs', 'fault']);
  if (stream.gapMs !== undefined) checkNumber(`${field}.gapMs`, stream.gapMs, 0, HOUR_MS);
  const { fault } = stream;
  if (fault === undefined) return;
  checkKeys(`${field}.fault`, fault, ['kind', 'afterMessages', 'code', 'details', 'message']);
  checkOneOf(`${field}.fault.kind`, fault.kind, BREAK_KINDS);
  checkKeys(`${field}.fault`, fault, ['kind', 'afterMessages', ...BREAK_FIELDS[fault.kind]]);
  checkInteger(`${field}.fault.afterMessages`, fault.afterMessages, 0, MAX_INT32);
  if (fault.kind === 'error') checkStatus(`${field}.fault`, fault);
  if (fault.kind !== 'error-message') return;
  // An empty error_message is no error on the wire.
  if (fault.message === '') throw invalid(`${field}.fault.message`, 'a text', fault.message);
  // With the header `triton_grpc_error` it becomes the text of a status.
  checkText(`${field}.fault.message`, fault.message);
}
