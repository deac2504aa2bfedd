import type { Client } from '@grpc/grpc-js';
import { checkFunction, checkInteger, checkKeys, checkNumber } from '../../checks.js';
import { type Clock, systemClock } from '../../clock.js';
import { invalid } from '../../errors.js';
import type { WarningEvent } from '../../telemetry/events.js';
import { Warnings } from '../../telemetry/warnings.js';
import type { Method } from '../strategy.js';
import type { DeferredJob, DeferredQueue } from './queue.js';
import type { DeferredResult } from './replay.js';

/** A method, and the client on which its jobs are replayed. */
export interface DrainedMethod {
  /** The method, as it was registered with `deferred()`. */
  readonly method: Method<unknown, unknown>;
  /** The client that the caller used: its guard counts the replays, and rejects them while the circuit is open. */
  readonly client: Client;
}

/** Options of {@link DeferredDrainer}. */
export interface DrainerOptions {
  /** The queue in which the jobs wait. */
  readonly queue: DeferredQueue;
  /** The methods whose jobs are replayed. Any other job is put back for a minute, because another process may have its method. */
  readonly methods: readonly DrainedMethod[];
  /** Whether jobs may be replayed now: for example, whether their circuits are closed. @default always */
  readonly ready?: () => boolean;
  /**
   * A guard, whose `transition` events make the drainer look for jobs again, until the drainer is closed.
   * @default only `pollMs`
   */
  readonly guard?: {
    /** Subscribes to the event. */
    on(name: 'transition', listener: () => void): unknown;
  };
  /** Called with each result. When it throws (or rejects), the replay has failed, and the job is replayed again. */
  readonly onResult: (result: DeferredResult) => void | PromiseLike<void>;
  /**
   * Called with each job that is given up: it expired, is hopeless, failed `maxFailures` times, or was replayed `maxReplays` times.
   * @default none
   */
  readonly onDead?: (job: DeferredJob, reason: string) => void;
  /**
   * Called when the queue fails (the drainer tries again), and with the first job of each method that is not in `methods`.
   * @default `onWarning`, and a process warning for each new error
   */
  readonly onError?: (error: unknown) => void;
  /**
   * Called with each error of `onDead` and `onError`, and with the queue's errors where there is no `onError`. Each new error
   * of a source is also a process warning (`FailsoftWarning`); the same error again is only counted. @default none
   */
  readonly onWarning?: (event: WarningEvent) => void;
  /** The most replays begun in a second. @default 10 */
  readonly ratePerSecond?: number;
  /** The most replays at a time. @default 4 */
  readonly maxConcurrent?: number;
  /**
   * Failed replays after which a job is dead. A replay that never ended, because the process died, counts as failed. A replay
   * that fails in an outage does not count: while not `ready`, or when the client's guard rejected the call, or the client was
   * closed. @default 5
   */
  readonly maxFailures?: number;
  /**
   * Replays after which a job is dead, however they ended: the limit for a request that takes the model down each time.
   * @default 25
   */
  readonly maxReplays?: number;
  /** The first pause after a failed replay, in milliseconds; it doubles with each failure, up to a minute. @default 1000 */
  readonly retryMs?: number;
  /** The deadline of one replay, in milliseconds. @default 30000 */
  readonly callTimeoutMs?: number;
  /** The time limit of `onResult`, in milliseconds; after it, the replay has failed. @default 20000 */
  readonly resultTimeoutMs?: number;
  /** How long `close()` waits for the replays under way, in milliseconds. @default 30000 */
  readonly closeTimeoutMs?: number;
  /** The time between two looks for jobs, in milliseconds. @default 1000 */
  readonly pollMs?: number;
  /** For pauses, time limits and the expiry of jobs. @default systemClock */
  readonly clock?: Clock;
}

/** The options, checked, with their defaults. */
export interface DrainerSettings {
  readonly queue: DeferredQueue;
  readonly methods: ReadonlyMap<string, DrainedMethod>;
  readonly ready: () => boolean;
  readonly onResult: DrainerOptions['onResult'];
  readonly onDead: (job: DeferredJob, reason: string) => unknown;
  /** Never throws. */
  readonly onError: (error: unknown) => void;
  readonly warnings: Warnings;
  /** The time between the beginnings of two replays, in milliseconds. */
  readonly gapMs: number;
  readonly maxConcurrent: number;
  readonly maxFailures: number;
  readonly maxReplays: number;
  readonly retryMs: number;
  readonly callTimeoutMs: number;
  readonly resultTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly pollMs: number;
  readonly clock: Clock;
}

const KEYS = [
  ...['queue', 'methods', 'ready', 'guard', 'onResult', 'onDead', 'onError', 'onWarning', 'clock'],
  ...['ratePerSecond', 'maxConcurrent', 'maxFailures', 'maxReplays'],
  ...['retryMs', 'callTimeoutMs', 'resultTimeoutMs', 'closeTimeoutMs', 'pollMs'],
];

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
export function drainerSettings(options: DrainerOptions): DrainerSettings {
  checkKeys('drainer', options, KEYS);
  if (typeof options.queue?.take !== 'function')
    throw invalid('drainer.queue', 'a deferred queue', options.queue);
  if (!Array.isArray(options.methods) || options.methods.length === 0)
    throw invalid('drainer.methods', 'a list of {method, client}', options.methods);
  for (const [index, each] of options.methods.entries())
    if (typeof each?.method?.path !== 'string' || typeof each.client?.makeUnaryRequest !== 'function')
      throw invalid(`drainer.methods[${index}]`, '{method, client}', each);
  const warnings = new Warnings(options.onWarning && checkFunction('drainer.onWarning', options.onWarning));
  const onError = options.onError && checkFunction('drainer.onError', options.onError);
  return {
    queue: options.queue,
    methods: new Map(options.methods.map((each) => [each.method.path, each])),
    onResult: checkFunction('drainer.onResult', options.onResult),
    ready: checkFunction('drainer.ready', options.ready ?? (() => true)),
    onDead: checkFunction('drainer.onDead', options.onDead ?? (() => undefined)),
    onError: (error) => {
      if (onError === undefined) warnings.report(error, 'the queue of the drainer');
      else warnings.watch(() => onError(error), 'onError of the drainer');
    },
    warnings,
    gapMs: 1_000 / checkNumber('drainer.ratePerSecond', options.ratePerSecond ?? 10, 0.001, Infinity),
    maxConcurrent: checkInteger('drainer.maxConcurrent', options.maxConcurrent ?? 4, 1),
    maxFailures: checkInteger('drainer.maxFailures', options.maxFailures ?? 5, 1),
    maxReplays: checkInteger('drainer.maxReplays', options.maxReplays ?? 25, 1),
    retryMs: checkNumber('drainer.retryMs', options.retryMs ?? 1_000, 0),
    callTimeoutMs: checkNumber('drainer.callTimeoutMs', options.callTimeoutMs ?? 30_000, 1),
    resultTimeoutMs: checkNumber('drainer.resultTimeoutMs', options.resultTimeoutMs ?? 20_000, 1),
    closeTimeoutMs: checkNumber('drainer.closeTimeoutMs', options.closeTimeoutMs ?? 30_000, 0),
    pollMs: checkNumber('drainer.pollMs', options.pollMs ?? 1_000, 1),
    clock: options.clock ?? systemClock,
  };
}
