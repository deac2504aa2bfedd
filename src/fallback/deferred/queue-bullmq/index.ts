import { checkFunction, checkInteger, checkKeys, checkNumber } from '../../../checks.js';
import { invalid } from '../../../errors.js';
import type { WarningEvent } from '../../../telemetry/events.js';
import { Warnings } from '../../../telemetry/warnings.js';
import type { DeferredQueue } from '../queue.js';
import { BullQueue } from './bull-queue.js';
import { type BullConnection, RedisLink } from './redis-link.js';

export type { BullConnection } from './redis-link.js';

/** Options of {@link openBullQueue}. */
export interface BullQueueOptions {
  /** `{ url }`, `{ host, port }` and the other options of ioredis, or a client of ioredis, which is duplicated. */
  readonly connection: BullConnection;
  /** Prefix of all keys in Redis. @default 'bull' (BullMQ's) */
  readonly prefix?: string;
  /** Most jobs in Redis, without dead jobs. Above it, `deferred` declines. @default 100000 */
  readonly maxJobs?: number;
  /**
   * Most bytes of jobs in Redis, without dead jobs. Above it, `deferred` declines. @default 268435456 (256 MiB)
   */
  readonly maxBytes?: number;
  /** Most dead jobs; the oldest are deleted first. @default 10000 */
  readonly maxDead?: number;
  /**
   * How long a taken job belongs to this process, in milliseconds from the beginning of its replay. It must be longer than a
   * replay with its `onResult`. After this time, the jobs of a process that died wait again. @default 60000
   */
  readonly leaseMs?: number;
  /**
   * The time limit of an operation on Redis, in milliseconds. After it the operation has failed, and all others fail at once until
   * Redis answers again. @default 2000
   */
  readonly timeoutMs?: number;
  /** Called with the errors of the connections. @default none: each operation that fails rejects anyway */
  readonly onError?: (error: Error) => void;
  /**
   * Called with each error of `onError` itself. Each new error is also a process warning (`FailsoftWarning`); the same error
   * again is only counted. @default none
   */
  readonly onWarning?: (event: WarningEvent) => void;
}

const KEYS = [
  ...['connection', 'prefix', 'maxJobs', 'maxBytes', 'maxDead'],
  ...['leaseMs', 'timeoutMs', 'onError', 'onWarning'],
];

/**
 * Opens a queue on Redis, through BullMQ (an optional peer, with ioredis), for any number of processes. An accepted job is as
 * durable as that Redis: see `appendfsync` in its configuration. The queue connects at once, and again after each lost
 * connection. While Redis is down, it keeps no job in memory: each method fails at once with FAILSOFT_UNAVAILABLE.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function openBullQueue(name: string, options: BullQueueOptions): DeferredQueue {
  if (typeof name !== 'string' || name === '' || name.includes(':'))
    throw invalid('openBullQueue.name', 'a name without ":"', name);
  checkKeys('openBullQueue', options, KEYS);
  const { prefix = 'bull' } = options;
  if (typeof prefix !== 'string') throw invalid('openBullQueue.prefix', 'a string', prefix);
  const onError = options.onError && checkFunction('openBullQueue.onError', options.onError);
  const warnings = new Warnings(
    options.onWarning && checkFunction('openBullQueue.onWarning', options.onWarning),
  );
  const settings = {
    name,
    prefix,
    leaseMs: checkNumber('openBullQueue.leaseMs', options.leaseMs ?? 60_000, 100),
    maxJobs: checkInteger('openBullQueue.maxJobs', options.maxJobs ?? 100_000, 1),
    maxBytes: checkInteger('openBullQueue.maxBytes', options.maxBytes ?? 256 * 2 ** 20, 1),
    maxDead: checkInteger('openBullQueue.maxDead', options.maxDead ?? 10_000, 0),
    onError: (error: Error) => warnings.watch(() => onError?.(error), 'onError of openBullQueue'),
  };
  const timeoutMs = checkNumber('openBullQueue.timeoutMs', options.timeoutMs ?? 2_000, 1);
  return new BullQueue(new RedisLink(options.connection, timeoutMs), settings);
}
