import type { Cluster, Redis } from 'ioredis';

/** Bounds on the jobs in Redis, for all processes together. */
export interface BudgetBounds {
  readonly maxJobs: number;
  readonly maxBytes: number;
}

/** The keys of a queue in Redis. */
export interface QueueKeys {
  /** A hash: the size of each job that is not finished, by its id. */
  readonly sizes: string;
  /** The sum of the sizes. */
  readonly bytes: string;
  /** The sorted set of the dead jobs. */
  readonly failed: string;
  /** The key of a job's own hash. */
  readonly job: (id: string) => string;
}

const RESERVE = `
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 1 end
local bytes = tonumber(redis.call('GET', KEYS[2]) or '0') + tonumber(ARGV[2])
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) or bytes > tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('SET', KEYS[2], bytes)
return 1`;

const RELEASE = `
local size = redis.call('HGET', KEYS[1], ARGV[1])
if not size then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('DECRBY', KEYS[2], size)
return 1`;

/** Releases a job that is gone, or dead. */
const RELEASE_IF_GONE = `
if redis.call('EXISTS', KEYS[4]) == 1 and not redis.call('ZSCORE', KEYS[3], ARGV[1]) then return 0 end
${RELEASE}`;

/** The shortest time between two searches of a full queue for forgotten reservations, in milliseconds. */
const RECOUNT_MS = 10_000;

/**
 * Counts the jobs of a queue and their bytes, in Redis, for all processes together. A process that dies between a job's end and
 * its release leaves a reservation behind; it is found when the queue seems full.
 */
export class Budget {
  readonly #redis: Redis | Cluster;
  readonly #keys: QueueKeys;
  readonly #bounds: BudgetBounds;
  #recountedAtMs = Number.NEGATIVE_INFINITY;

  constructor(redis: Redis | Cluster, keys: QueueKeys, bounds: BudgetBounds) {
    this.#redis = redis;
    this.#keys = keys;
    this.#bounds = bounds;
  }

  /** False when the queue is full. */
  async reserve(id: string, size: number): Promise<boolean> {
    if (await this.#reserve(id, size)) return true;
    if (performance.now() < this.#recountedAtMs + RECOUNT_MS) return false;
    this.#recountedAtMs = performance.now();
    await this.#recount();
    return this.#reserve(id, size);
  }

  async release(id: string): Promise<void> {
    await this.#redis.eval(RELEASE, 2, this.#keys.sizes, this.#keys.bytes, id);
  }

  async bytes(): Promise<number> {
    return Number((await this.#redis.get(this.#keys.bytes)) ?? 0);
  }

  async #reserve(id: string, size: number): Promise<boolean> {
    const { maxJobs, maxBytes } = this.#bounds;
    const { sizes, bytes } = this.#keys;
    return (await this.#redis.eval(RESERVE, 2, sizes, bytes, id, size, maxJobs, maxBytes)) === 1;
  }

  async #recount(): Promise<void> {
    const { sizes, bytes, failed, job } = this.#keys;
    for (let cursor = '0'; ; ) {
      const [next, found] = await this.#redis.hscan(sizes, cursor, 'COUNT', 500);
      const ids = found.filter((_, index) => index % 2 === 0); // each is followed by its size
      await Promise.all(
        ids.map((id) => this.#redis.eval(RELEASE_IF_GONE, 4, sizes, bytes, failed, job(id), id)),
      );
      if (next === '0') return;
      cursor = next;
    }
  }
}
