import { ManualClock } from 'failsoft/testing';
import { DeferredDrainer } from '../../../src/fallback/deferred/drainer.js';
import type { DrainerOptions } from '../../../src/fallback/deferred/drainer-options.js';
import type { DeferredJob } from '../../../src/fallback/deferred/queue.js';
import { startInferServer } from '../infer-server.js';
import { METHOD, request, response } from '../support.js';
import { job as jobOf } from './deferred-queue.contract.js';
import { MemoryQueue } from './memory-queue.js';

export type Handle = Parameters<typeof startInferServer>[0];
export const answers: Handle = (call, done) => done(null, response({ id: call.request.id }));

const ends: (() => unknown)[] = [];

/** For `afterEach`: ends all that {@link drain} started. */
export async function endAll(): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end();
}

/** Runs at the end of the test. */
export function atEnd(...more: (() => unknown)[]): void {
  ends.push(...more);
}

/** A drainer of a queue in memory, on a server of its own. */
export async function drain(handle: Handle, options: Partial<DrainerOptions> = {}) {
  const { client, stop } = await startInferServer(handle);
  atEnd(stop);
  const clock = new ManualClock(1_000_000);
  const queue = new MemoryQueue(clock);
  const results: string[] = [];
  const drainer = new DeferredDrainer({
    queue,
    methods: [{ method: METHOD, client }],
    ratePerSecond: Infinity,
    clock,
    onResult: ({ job, response: given }) => void results.push(`${job.id}: ${nameOf(given)}`),
    ...options,
  });
  atEnd(() => drainer.close());
  return { queue, clock, results, drainer };
}

const nameOf = (given: unknown) =>
  typeof given === 'object' && given !== null && 'id' in given ? String(given.id) : '?';

export const inferJob = (id: string, fields: Partial<DeferredJob> = {}) =>
  jobOf(id, {
    method: METHOD.path,
    request: METHOD.requestSerialize(request({ id: `request ${id}` })).toString('base64'),
    metadata: [],
    ...fields,
  });
