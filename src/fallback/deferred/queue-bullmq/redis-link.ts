import { type Cluster, Redis, type RedisOptions } from 'ioredis';
import { FailsoftError, invalid } from '../../../errors.js';

/** How to reach Redis: options of ioredis, with or without a `url`, or a client of ioredis, which is duplicated. */
export type BullConnection =
  | (RedisOptions & {
      /** `redis://` or `rediss://`, with host, port and credentials. */
      readonly url?: string;
    })
  | Redis
  | Cluster;

/**
 * A connection on which no work piles up: nothing is queued while Redis is down, each operation has a time limit, and a Redis that
 * has stopped answering counts as down until it answers again.
 */
export class RedisLink {
  readonly client: Redis | Cluster;
  readonly #timeoutMs: number;
  /** Resolves when the first attempt to connect has ended, with or without a connection. */
  readonly #firstAttempt: Promise<void>;
  /** Whether an operation exceeded its time limit, and Redis has not been reached since. */
  #isHung = false;
  #closed = false;

  constructor(connection: BullConnection, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.client = connect(connection);
    this.client.on('ready', () => {
      this.#isHung = false;
    });
    this.#firstAttempt = new Promise((resolve) => {
      for (const event of ['ready', 'close', 'end']) this.client.once(event, () => resolve());
    });
  }

  /**
   * Runs an operation on Redis.
   * @throws FailsoftError FAILSOFT_UNAVAILABLE at once while Redis is down, or after `timeoutMs`; FAILSOFT_CLOSED; the error of
   * the operation
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new FailsoftError('FAILSOFT_CLOSED', 'the deferred queue is closed');
    if (!this.#isUp()) {
      await this.#inTime(this.#firstAttempt);
      if (!this.#isUp()) throw unavailable('Redis cannot be reached');
    }
    return this.#inTime(work());
  }

  /** Drops the connection; operations that are under way fail. */
  close(): void {
    this.#closed = true;
    this.client.disconnect();
  }

  #isUp(): boolean {
    return this.client.status === 'ready' && !this.#isHung;
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#hangs();
        reject(unavailable(`Redis has not answered within ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      work.finally(() => clearTimeout(timer)).then(resolve, reject);
    });
  }

  /** Drops the connection and connects again: operations that wait for an answer fail, and are not sent again. */
  #hangs(): void {
    if (this.#isHung || this.#closed) return;
    if (this.client.status !== 'ready') return; // it is connecting again already
    this.#isHung = true;
    this.client.disconnect(true);
  }
}

function connect(connection: BullConnection): Redis | Cluster {
  const options = {
    enableOfflineQueue: false, // measured: it holds 110 KiB for each call of 20 kB while Redis is down, and sends all of it in the end
    autoResendUnfulfilledCommands: false, // the caller has got the failure already
    maxRetriesPerRequest: 0,
    disconnectTimeout: 200, // a Redis that is stopped (SIGSTOP) never closes its side
  };
  if (typeof connection !== 'object' || connection === null || Array.isArray(connection))
    throw invalid('openBullQueue.connection', 'options or a client of ioredis', connection);
  if (isCluster(connection))
    return connection.duplicate([], { enableOfflineQueue: false, redisOptions: options, lazyConnect: false });
  if (isRedis(connection)) return connection.duplicate({ ...options, lazyConnect: false });
  const { url, replyMapping: _, ...own } = connection; // BullMQ reads replies as Redis gives them
  const all = { ...own, ...options, lazyConnect: false };
  return url === undefined ? new Redis(all) : new Redis(url, all);
}

// By shape: the client may come from another copy of ioredis.
function isCluster(connection: BullConnection): connection is Cluster {
  return isRedis(connection) && connection.isCluster;
}

function isRedis(connection: BullConnection): connection is Redis {
  return 'duplicate' in connection && typeof connection.duplicate === 'function';
}

function unavailable(why: string): FailsoftError {
  return new FailsoftError('FAILSOFT_UNAVAILABLE', `the deferred queue is not available: ${why}`);
}
