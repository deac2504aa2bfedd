import { Metadata, type sendUnaryData, status } from '@grpc/grpc-js';
import { circuitRejectionOf, defaultPrediction, FallbackRegistry, provenanceOf } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, echoService, type Message } from '../support/echo-service.js';
import { neverTrip } from '../support/guard.js';
import { startGuarded } from '../support/guarded-client.js';

const closers = closedAfterEach();

/** A server that answers nothing, and a guard that lets two calls out at a time. */
async function crowded(priority?: 'low') {
  const held: sendUnaryData<Message>[] = [];
  const fallbacks = new FallbackRegistry().register(echoService.unary, [
    defaultPrediction({ text: 'default' }),
  ]);
  const { server, client, guard } = await startGuarded(closers, {
    fallbacks,
    circuit: { ...neverTrip(), concurrency: { type: 'fixed', limit: 2 } },
    methods: [{ match: echoService.unary, ...(priority !== undefined && { priority }) }],
  });
  server.handlers.unary = (_call, done) => held.push(done);
  const first = callUnary(client, 'first', { failsoft: { priority: 'high' } });
  while (held.length === 0) await new Promise(setImmediate);
  return { client, held, first, guard };
}

describe('a call under a concurrency limit', () => {
  it('of low priority has its fallback first, and of high priority is let out', async () => {
    const { client, held, first } = await crowded();
    const low = await callUnary(client, 'low', { failsoft: { priority: 'low' } });
    expect([low.value?.text, provenanceOf(low.metadata).cause]).toEqual(['default', 'CONCURRENCY_LIMIT']);
    const high = callUnary(client, 'high', { failsoft: { priority: 'high' } });
    while (held.length < 2) await new Promise(setImmediate);
    for (const done of held) done(null, { text: 'primary' });
    expect([(await first).value?.text, (await high).value?.text]).toEqual(['primary', 'primary']);
  });

  it('has the priority of its method, where it gives none', async () => {
    const { client, held, first, guard } = await crowded('low');
    const low = await callUnary(client, 'low', { failsoft: { fallback: false } });
    expect(circuitRejectionOf(low.error)).toMatchObject({ reason: 'CONCURRENCY_LIMIT' });
    expect(low.error?.code).toBe(status.RESOURCE_EXHAUSTED);
    held[0]?.(null, { text: 'primary' });
    await first;
    const alone = guard.execute(echoService.unary.path, async () => 'alone');
    expect(await alone).toBe('alone');
  });

  it('refuses a priority that does not exist', async () => {
    const { client, held, first } = await crowded();
    const wrong = JSON.parse('{"failsoft": {"priority": "urgent"}}');
    expect(() => client.unary({ text: 'a' }, new Metadata(), wrong, () => undefined)).toThrow(
      'failsoft (call option).priority: expected one of high, normal, low, got "urgent"',
    );
    held[0]?.(null, { text: 'primary' });
    await first;
  });
});
