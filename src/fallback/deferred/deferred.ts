import { randomUUID } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';
import { checkFunction, checkKeys, checkNumber } from '../../checks.js';
import { type Clock, systemClock } from '../../clock.js';
import { invalid } from '../../errors.js';
import type { StoreEvent } from '../../telemetry/events.js';
import type { StoreReading } from '../../telemetry/store-reading.js';
import { recode } from '../messages.js';
import { reasonOf } from '../store-reason.js';
import type { Answer, FallbackContext, FallbackStrategy, Method, When } from '../strategy.js';
import { checkWhen } from '../when.js';
import type { DeferredJob, DeferredQueue } from './queue.js';

/** Metadata of an acknowledgement: the id of the job. */
export const JOB_ID_KEY = 'failsoft-job-id';

/** Options of {@link deferred}. */
export interface DeferredOptions<Req, Res> {
  /** Where accepted requests wait. */
  readonly queue: DeferredQueue;
  /** Makes the caller's acknowledgement. */
  readonly acknowledge: (request: Req, job: DeferredJob) => Res;
  /**
   * The time after which the prediction is of no use, in milliseconds by the wall clock: it passes while no process runs. A step
   * of the wall clock (it is set, or the machine sleeps) while a drainer runs is not counted. @default 3600000 (an hour)
   */
  readonly expiresAfterMs?: number;
  /**
   * Metadata keys that the replay needs. Their values are readable in the queue: think twice about `authorization`.
   * @default none
   */
  readonly metadataKeys?: readonly string[];
  /**
   * Time limit for the queue to accept a job, in milliseconds. A job that is accepted later is withdrawn, unless a drainer has
   * taken it. @default 1000
   */
  readonly timeoutMs?: number;
  /**
   * The causes that it serves. A slow call is never put into the queue: it is running already, and would be predicted twice.
   * @default ['rejected', 'failed']
   */
  readonly when?: When;
  /** For the times of jobs. @default systemClock */
  readonly clock?: Clock;
}

const KEYS = ['queue', 'acknowledge', 'expiresAfterMs', 'metadataKeys', 'timeoutMs', 'when', 'clock'];

/**
 * Accepts the request now and predicts later, with source `deferred`: the request goes into a durable queue, and the caller gets
 * an acknowledgement with the job's id in the metadata (`failsoft-job-id`). A {@link DeferredDrainer} replays the request when the
 * circuit has closed. Declines while the queue is full. For unary methods whose callers can do without the prediction now: batch
 * scores, enrichment.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function deferred<Req, Res>(options: DeferredOptions<Req, Res>): FallbackStrategy<Req, Res> {
  return new Deferred(options);
}

class Deferred<Req, Res> implements FallbackStrategy<Req, Res> {
  readonly name = 'deferred';
  readonly when: When;
  readonly timeoutMs: number;
  readonly waits = true;
  enabled = true;
  readonly #options: DeferredOptions<Req, Res>;
  readonly #expiresAfterMs: number;
  readonly #clock: Clock;
  readonly #methods = new Map<string, Method<Req, Res>>();
  readonly #reports = new Set<(event: StoreEvent) => void>();
  #state: StoreEvent['state'] = 'ok';

  constructor(options: DeferredOptions<Req, Res>) {
    checkKeys('deferred', options, KEYS);
    if (typeof options.queue?.enqueue !== 'function' || typeof options.queue.withdraw !== 'function')
      throw invalid('deferred.queue', 'a deferred queue', options.queue);
    checkFunction('deferred.acknowledge', options.acknowledge);
    this.#expiresAfterMs = checkNumber('deferred.expiresAfterMs', options.expiresAfterMs ?? 3_600_000, 1);
    for (const [index, key] of (options.metadataKeys ?? []).entries()) {
      if (typeof key !== 'string' || !/^[0-9a-z_.-]+$/.test(key))
        throw invalid(`deferred.metadataKeys[${index}]`, 'a metadata key in lower case', key);
    }
    this.when = withoutSlow(checkWhen('deferred.when', options.when ?? NOT_SLOW));
    this.timeoutMs = checkNumber('deferred.timeoutMs', options.timeoutMs ?? 1_000, 1);
    this.#clock = options.clock ?? systemClock;
    this.#options = options;
  }

  bind(method: Method<Req, Res>): void {
    if (method.requestStream || method.responseStream)
      throw invalid(`deferred for ${method.path}`, 'a unary method', 'a streaming one');
    this.#methods.set(method.path, method);
  }

  reportStore(report: (event: StoreEvent) => void): void {
    this.#reports.add(report);
  }

  storeReading(): StoreReading {
    const [method = ''] = this.#methods.keys();
    return { store: this.name, method, state: this.#state };
  }

  #become(state: StoreEvent['state'], error?: unknown): void {
    if (state === this.#state) return;
    this.#state = state;
    const [method = ''] = this.#methods.keys();
    const atMs = this.#clock.epochMs();
    const event = { store: this.name, method, state, reason: reasonOf(error), atMs };
    for (const report of this.#reports) report(event);
  }

  async answer(context: FallbackContext<Req>): Promise<Answer<Res> | undefined> {
    const method = this.#methods.get(context.method);
    if (method === undefined) return undefined;
    const now = Math.floor(this.#clock.epochMs());
    const job: DeferredJob = {
      id: `${now.toString(36).padStart(9, '0')}-${randomUUID()}`,
      method: method.path,
      request: (context.requestBytes ?? method.requestSerialize(context.request)).toString('base64'),
      metadata: kept(context.metadata, this.#options.metadataKeys ?? []),
      acceptedAtMs: now,
      expiresAtMs: now + this.#expiresAfterMs,
      replays: 0,
      failures: 0,
      excused: 0,
    };
    // Made before the job is accepted: a caller that gets no acknowledgement must not have a job.
    const message = this.#options.acknowledge(context.request, job);
    recode(method, message);
    const { queue } = this.#options;
    try {
      if ((await queue.enqueue(job)) === 'full') {
        this.#become('full', 'it holds the most jobs or bytes that it may');
        return undefined;
      }
      this.#become('ok');
    } catch (error) {
      this.#become('down', error);
      // A queue that lost its connection may have the job all the same. An error of the withdrawal would only repeat this one.
      queue.withdraw(job).catch(() => undefined);
      throw error;
    }
    if (context.signal.aborted) {
      await queue.withdraw(job); // too late: the next strategy answers, or the caller has gone
      return undefined;
    }
    return { message, source: 'deferred', metadata: { [JOB_ID_KEY]: job.id } };
  }
}

const NOT_SLOW: readonly ['rejected', 'failed'] = Object.freeze(['rejected', 'failed']);

function withoutSlow(when: When): When {
  if (when === 'always') return NOT_SLOW;
  if (when === 'slow' || (typeof when !== 'string' && when.includes('slow')))
    throw invalid('deferred.when', 'rejected or failed, because a slow call is running already', when);
  return when;
}

function kept(metadata: Metadata, keys: readonly string[]): DeferredJob['metadata'] {
  return keys.flatMap((key) =>
    metadata
      .get(key)
      .map((value): [string, string] => [key, typeof value === 'string' ? value : value.toString('base64')]),
  );
}
