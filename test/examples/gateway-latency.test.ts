import { setTimeout } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { inFull } from '../support/long.js';
import { CIRCUIT, inputs, MODEL, startGateway } from './gateway-setup.js';

const DEADLINE_MS = inFull(10_000, 3_000); // long, so that a busy machine cannot look like it
const REQUESTS = 100;
const INTERVAL_MS = 10;

type Ask = (features: readonly number[]) => Promise<Response>;

/** The latency of requests that come at an even pace, whatever became of the earlier ones; and their statuses. */
async function measure(ask: Ask, requests: number) {
  const timed = async (features: readonly number[]) => {
    const startMs = performance.now();
    const response = await ask(features);
    await response.arrayBuffer();
    return { ms: performance.now() - startMs, code: response.status };
  };
  const asked: ReturnType<typeof timed>[] = [];
  for (let index = 0; index < requests; index++) {
    asked.push(timed(inputs[index % inputs.length] ?? []));
    await setTimeout(INTERVAL_MS);
  }
  const answers = await Promise.all(asked);
  const sorted = answers.map(({ ms }) => ms).sort((a, b) => a - b);
  const p99Ms = sorted[Math.ceil(requests * 0.99) - 1] ?? Number.NaN;
  return { p99Ms, codes: [...new Set(answers.map(({ code }) => code))] };
}

async function hanging(guarded: boolean, query: string) {
  // Stays open for as long as the test lasts: no probe may come between.
  const circuit = { open: { baseMs: 600_000, jitter: 'none' } } as const;
  const { models, guard, predict } = await startGateway({ deadlineMs: DEADLINE_MS, guarded, circuit });
  const ask: Ask = (features) => predict({ features }, { query });
  await measure(ask, 20); // connections are made, code is warm
  if (guard) {
    // What the circuit needs to see is not measured, and has not to wait for the deadline.
    models.faults.set(MODEL, { error: { code: status.UNAVAILABLE } });
    await measure(ask, 10);
    expect(guard.snapshots()).toMatchObject([{ circuitKey: CIRCUIT, state: 'open' }]);
  }
  models.faults.set(MODEL, { hangShare: 1 });
  return measure(ask, REQUESTS);
}

it('a model that hangs makes a gateway slow, but not a guarded one', { timeout: 120_000 }, async () => {
  const unguarded = await hanging(false, '');
  const rejecting = await hanging(true, '?fallback=none');
  const answering = await hanging(true, '');
  expect(unguarded.codes).toEqual([504]);
  expect(unguarded.p99Ms).toBeGreaterThan(DEADLINE_MS * 0.95);
  expect(rejecting.codes).toEqual([503]);
  expect(rejecting.p99Ms).toBeLessThan(DEADLINE_MS / 2);
  expect(answering.codes).toEqual([200]);
  expect(answering.p99Ms).toBeLessThan(DEADLINE_MS / 2);
});
