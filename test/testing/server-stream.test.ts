import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { type FaultPlan, ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import type { GRPCInferenceServiceClient, ModelInferRequest } from '../../src/gen/inference/grpc_service.js';
import { eventually, goodRequest, start } from './fixture.js';

const large = (plan: FaultPlan) => ({ faults: { 'demand-large': plan } });

/** A stream whose items are noted as they come: `id`, or `id: error_message`, and the status last. */
function open(client: GRPCInferenceServiceClient, headers: Readonly<Record<string, string>> = {}) {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const call = client.modelStreamInfer(metadata, { deadline: Date.now() + 115_000 });
  const items: string[] = [];
  call.on('data', ({ errorMessage, inferResponse }) => {
    items.push(errorMessage === '' ? `${inferResponse?.id}` : `${inferResponse?.id}: ${errorMessage}`);
  });
  // The status says the same.
  call.on('error', () => {});
  const ended = new Promise<StatusObject>((resolve) => call.on('status', resolve));
  const send = (...requests: ModelInferRequest[]) => {
    for (const request of requests) call.write(request);
  };
  return { call, items, ended, send };
}

const requests = (...ids: string[]) => ids.map((id) => goodRequest('demand-large', id));
const GRPC_ERRORS = { triton_grpc_error: 'true' };

describe('ModelStreamInfer', () => {
  it('answers each request in order, and ends when the client ends', async () => {
    const { client } = await start();
    const ids = Array.from({ length: 200 }, (_, index) => `${index}`);
    const { call, items, ended, send } = open(client);
    send(...requests(...ids));
    call.end();
    expect(await ended).toMatchObject({ code: status.OK });
    expect(items).toEqual(ids);
  });

  it('answers as it goes, not at the end', async () => {
    const { client } = await start();
    const { call, items, ended, send } = open(client);
    send(...requests('a'));
    await eventually(() => items.length === 1, 'the first answer');
    send(...requests('b'));
    await eventually(() => items.length === 2, 'the second answer');
    call.end();
    expect((await ended).code).toBe(status.OK);
  });

  it('puts the error of an item into the stream, which goes on', async () => {
    const { client } = await start();
    const { call, items, ended, send } = open(client);
    const [bad = goodRequest(), unknown = goodRequest()] = requests('bad', 'unknown');
    send(...requests('a'), { ...bad, inputs: [] }, { ...unknown, modelName: 'x' }, ...requests('b'));
    call.end();
    expect((await ended).code).toBe(status.OK);
    expect(items).toEqual([
      'a',
      'bad: bad input: expected one input tensor, "features", got 0',
      'unknown: unknown model: expected one of demand-large, demand-small, got "x"',
      'b',
    ]);
  });

  it.each([
    ['inputs', { inputs: [] }, status.INVALID_ARGUMENT],
    ['model', { modelName: 'x' }, status.NOT_FOUND],
  ])('ends with the code of a bad %s when the client asks for it', async (_, change, code) => {
    const { client } = await start();
    const { items, ended, send } = open(client, GRPC_ERRORS);
    const [bad = goodRequest()] = requests('bad');
    send(...requests('a'), { ...bad, ...change }, ...requests('b'));
    expect((await ended).code).toBe(code);
    expect(items).toEqual(['a']);
  });

  it('gives an error fault its trailers when the client asks for codes', async () => {
    const error = { code: status.UNAVAILABLE, details: 'down', pushbackMs: 40 };
    const { client } = await start(large({ error }));
    const { ended, send } = open(client, GRPC_ERRORS);
    send(...requests('a'));
    const { code, details, metadata } = await ended;
    expect([code, details, metadata.get('grpc-retry-pushback-ms')]).toEqual([
      status.UNAVAILABLE,
      'down',
      ['40'],
    ]);
  });
});

describe('stream faults', () => {
  it('end the stream with a status after so many answers', async () => {
    const fault = { kind: 'error', afterMessages: 2, code: status.ABORTED, details: 'enough' } as const;
    const { client } = await start(large({ stream: { fault } }));
    const { items, ended, send } = open(client);
    send(...requests('a', 'b', 'c', 'd'));
    expect(await ended).toMatchObject({ code: status.ABORTED, details: 'enough' });
    expect(items).toEqual(['a', 'b']);
  });

  it('give an item an error_message', async () => {
    const fault = { kind: 'error-message', afterMessages: 1, message: 'out of memory' } as const;
    const { client } = await start(large({ stream: { fault } }));
    const { call, items, ended, send } = open(client);
    send(...requests('a', 'b', 'c'));
    call.end();
    expect((await ended).code).toBe(status.OK);
    expect(items).toEqual(['a', 'b: out of memory', 'c']);
  });

  it('end the stream instead, with INTERNAL, when the client asks for codes', async () => {
    const fault = { kind: 'error-message', afterMessages: 1, message: 'out of memory' } as const;
    const { client } = await start(large({ stream: { fault } }));
    const { items, ended, send } = open(client, GRPC_ERRORS);
    send(...requests('a', 'b', 'c'));
    expect(await ended).toMatchObject({ code: status.INTERNAL, details: 'out of memory' });
    expect(items).toEqual(['a']);
  });

  it('stall: nothing more comes, and the stream does not end, until the client cancels', async () => {
    const { server, client } = await start(large({ stream: { fault: { kind: 'stall', afterMessages: 1 } } }));
    const { call, items, ended, send } = open(client);
    send(...requests('a', 'b', 'c'));
    call.end();
    await eventually(() => items.length === 1, 'the first answer');
    // Another stream on the same connection, begun later, is through before any answer of the first.
    server.faults.clear('demand-large');
    const other = open(client);
    other.send(...requests('x'));
    other.call.end();
    expect((await other.ended).code).toBe(status.OK);
    expect(items).toEqual(['a']);
    call.cancel();
    expect((await ended).code).toBe(status.CANCELLED);
  });

  it('drop the connection', async () => {
    const { client } = await start(large({ stream: { fault: { kind: 'drop', afterMessages: 1 } } }));
    const { items, ended, send } = open(client);
    send(...requests('a'));
    await eventually(() => items.length === 1, 'the first answer');
    send(...requests('b'));
    expect((await ended).code).toBe(status.UNAVAILABLE);
    expect(items).toEqual(['a']);
  });

  it.each([
    [{ kind: 'error', code: status.ABORTED }, status.ABORTED],
    [{ kind: 'drop' }, status.UNAVAILABLE],
    [{ kind: 'error-message', message: 'for an item that never came' }, status.OK],
  ] as const)('take the place of the end when that comes instead of a request: %j', async (kind, code) => {
    const { client } = await start(large({ stream: { fault: { ...kind, afterMessages: 1 } } }));
    const { call, items, ended, send } = open(client);
    send(...requests('a'));
    await eventually(() => items.length === 1, 'the only answer');
    call.end();
    expect((await ended).code).toBe(code);
    expect(items).toEqual(['a']);
  });

  it('stall after the last answer too', async () => {
    const { client } = await start(large({ stream: { fault: { kind: 'stall', afterMessages: 1 } } }));
    const { call, items, ended, send } = open(client);
    send(...requests('a'));
    call.end();
    await eventually(() => items.length === 1, 'the only answer');
    const other = open(client);
    other.send(...requests('x'));
    await eventually(() => other.items.length === 1, 'another stream is answered meanwhile');
    other.call.cancel();
    call.cancel();
    expect((await ended).code).toBe(status.CANCELLED);
  });

  it('wait between answers, not before the first', async () => {
    const clock = new ManualClock();
    const { client } = await start({ clock, ...large({ stream: { gapMs: 50 } }) });
    const { call, items, ended, send } = open(client);
    send(...requests('a', 'b', 'c'));
    call.end();
    const seen: number[] = [];
    for (const count of [1, 2]) {
      await eventually(
        () => items.length === count && clock.pendingTimers === 1,
        `answer ${count} and a wait`,
      );
      clock.advance(49);
      expect(clock.pendingTimers).toBe(1);
      clock.advance(1);
      seen.push(clock.now());
    }
    expect((await ended).code).toBe(status.OK);
    expect(items).toEqual(['a', 'b', 'c']);
    expect(seen).toEqual([50, 100]);
  });

  it.each([
    ['hang', { hangShare: 1 }],
    ['latency', { latency: { kind: 'fixed', ms: 1000 } }],
  ] as const)('a call that is cancelled during %s leaves its place and no timer', async (_, plan) => {
    const clock = new ManualClock();
    const { server, client } = await start({
      clock,
      ...large({ ...plan, queue: { concurrency: 1, maxQueued: 1 } }),
    });
    const { call, ended, send } = open(client);
    send(...requests('a', 'b'));
    await eventually(() => server.load('demand-large').running === 1, 'it runs');
    call.cancel();
    expect((await ended).code).toBe(status.CANCELLED);
    await eventually(() => server.load('demand-large').running === 0, 'it left');
    expect([server.load('demand-large').queued, clock.pendingTimers]).toEqual([0, 0]);
  });
});
