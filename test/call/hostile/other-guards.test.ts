import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Metadata, status } from '@grpc/grpc-js';
import { circuitRejectionOf, FallbackRegistry, type GuardOptions, lastGood, provenanceOf } from 'failsoft';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import { compiled } from '../../support/compiled.js';
import {
  callUnary,
  echoClient,
  echoService,
  type Message,
  startEchoServer,
} from '../../support/echo-service.js';
import { createGuard, neverTrip } from '../../support/guard.js';

const closers = closedAfterEach();

/** The address of a gateway in a process of its own, which uses failsoft too. */
let gateway = '';
let stop = () => {};
beforeAll(async () => {
  const file = compiled('test/call/hostile/gateway-child.ts');
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  stop = () => child.kill();
  [gateway] = await once(createInterface(child.stdout), 'line');
});
afterAll(() => stop());

function guarded(options: GuardOptions = {}, address = gateway) {
  const guard = createGuard({ circuit: neverTrip(), ...options });
  const client = echoClient(address, { interceptors: [guard.interceptor] });
  closers.push(
    () => client.close(),
    () => guard.close(),
  );
  const call = (wanted: 'answer' | 'rejection' | 'default') => {
    const metadata = new Metadata();
    metadata.set('wanted', wanted);
    return callUnary(client, 'a', { metadata });
  };
  return { guard, call };
}

function keeping() {
  const strategy = lastGood<Message, Message>();
  return { strategy, fallbacks: new FallbackRegistry().register(echoService.unary, [strategy]) };
}

describe('a rejection of a gateway behind us', () => {
  it.each([
    ['without fallbacks', new FallbackRegistry()],
    [
      'with one that declines',
      new FallbackRegistry().register(echoService.unary, [{ name: 'default', answer: () => undefined }]),
    ],
  ])('is a failure to us, and no rejection of ours (%s)', async (_how, fallbacks) => {
    const { guard, call } = guarded({ fallbacks });
    const { error } = await call('rejection');
    expect(error).toMatchObject({ code: status.UNAVAILABLE, details: expect.stringMatching(/isolated/) });
    expect(circuitRejectionOf(error)).toBeUndefined();
    expect(guard.circuit(echoService.unary).snapshot().totals).toMatchObject({
      admitted: 1,
      outcomes: { failure: 1 },
    });
  });

  it('is not mixed up with a rejection of ours', async () => {
    const { guard, call } = guarded();
    using _held = guard.circuit(echoService.unary).isolate();
    const { error } = await call('rejection');
    expect(circuitRejectionOf(error)).toMatchObject({
      reason: 'ISOLATED',
      circuitKey: echoService.unary.path,
    });
  });
});

describe('a degraded answer of a gateway behind us', () => {
  it('is passed on with its label, and is never kept as a good one', async () => {
    const { strategy, fallbacks } = keeping();
    const { guard, call } = guarded({ fallbacks });
    const degraded = await call('default');
    expect(degraded.value?.text).toBe('their default');
    expect(provenanceOf(degraded.metadata)).toMatchObject({
      source: 'primary',
      degraded: true,
      upstream: { source: 'default' },
    });
    expect(strategy.stats().kept).toBe(0);
    using _held = guard.circuit(echoService.unary).isolate();
    expect((await call('answer')).value).toBeUndefined();
  });

  it('does not take the place of a good one', async () => {
    const { fallbacks } = keeping();
    const { guard, call } = guarded({ fallbacks });
    expect((await call('answer')).value?.text).toBe('echo a');
    expect((await call('default')).value?.text).toBe('their default');
    using _held = guard.circuit(echoService.unary).isolate();
    expect((await call('answer')).value?.text).toBe('echo a');
  });

  it('is a good one where its label says that it is the primary', async () => {
    const server = await startEchoServer({
      unary: (call, callback) => {
        const headers = new Metadata();
        headers.set('failsoft-source', 'primary');
        call.sendMetadata(headers);
        callback(null, { text: 'good' });
      },
    });
    closers.push(() => server.close());
    const { strategy, fallbacks } = keeping();
    const { call } = guarded({ fallbacks }, server.address);
    await call('answer');
    expect(strategy.stats().kept).toBe(1);
  });
});
