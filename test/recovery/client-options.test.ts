import { type ClientOptions, credentials, InterceptingCall, type Interceptor, Metadata } from '@grpc/grpc-js';
import { createGuard, type Guard, type ProbeEvent } from 'failsoft';
import { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { demandRequest, labelledInputs, startMockServer } from 'failsoft/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { OWN_HOST } from '../support/own-host.js';

const { features } = labelledInputs(7).next().value;

function named(name: string, order: string[]): Interceptor {
  return (options, next) => {
    order.push(name);
    return new InterceptingCall(next(options));
  };
}

async function setUp(guard: Guard, options?: ClientOptions) {
  const server = await startMockServer({ models: ['demand-large'], host: OWN_HOST });
  const client = new GRPCInferenceServiceClient(
    server.address,
    credentials.createInsecure(),
    guard.clientOptions(options),
  );
  onTestFinished(async () => {
    client.close();
    await guard.close();
    await server.kill();
  });
  const call = () =>
    new Promise<number>((resolve) => {
      const request = demandRequest('demand-large', features);
      client.modelInfer(request, new Metadata(), { deadline: Date.now() + 2000 }, (error) =>
        resolve(error?.code ?? 0),
      );
    });
  return { server, client, call };
}

describe('clientOptions()', () => {
  it('has the guard, the back-off and keepalive; given options win', () => {
    const guard = createGuard();
    expect(guard.clientOptions()).toEqual({
      interceptors: [guard.interceptor],
      callInvocationTransformer: expect.any(Function),
      'grpc.initial_reconnect_backoff_ms': 250,
      'grpc.max_reconnect_backoff_ms': 500,
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 5000,
    });
    expect(createGuard({ circuit: { open: { baseMs: 4000 } } }).clientOptions()).toMatchObject({
      'grpc.initial_reconnect_backoff_ms': 1000,
      'grpc.max_reconnect_backoff_ms': 2000,
    });
    expect(createGuard({ circuit: { open: { baseMs: 600_000 } } }).clientOptions()).toMatchObject({
      'grpc.max_reconnect_backoff_ms': 10_000,
    });
    expect(
      guard.clientOptions({
        'grpc.keepalive_time_ms': 7,
        'grpc.max_reconnect_backoff_ms': 9000,
        'grpc.primary_user_agent': 'me',
      }),
    ).toMatchObject({
      'grpc.initial_reconnect_backoff_ms': 4500,
      'grpc.max_reconnect_backoff_ms': 9000,
      'grpc.keepalive_time_ms': 7,
      'grpc.primary_user_agent': 'me',
    });
  });

  it('an undefined option is as good as none', () => {
    const guard = createGuard();
    const given: ClientOptions = {};
    Object.assign(given, { interceptors: undefined, 'grpc.max_reconnect_backoff_ms': undefined });
    expect(guard.clientOptions(given)).toEqual({
      ...guard.clientOptions(),
      callInvocationTransformer: expect.any(Function),
    });
    expect(guard.clientOptions(given)['grpc.max_reconnect_backoff_ms']).toBeGreaterThan(0);
  });

  it('does not change the options that it is given', () => {
    const given: ClientOptions = Object.freeze({
      interceptors: Object.freeze([]) as unknown as Interceptor[],
    });
    expect(() => createGuard().clientOptions(given)).not.toThrow();
  });

  it.each<[string, (guard: Guard, order: string[]) => ClientOptions, string[]]>([
    [
      'the guard stands before the others',
      (_guard, order) => ({ interceptors: [named('a', order), named('b', order)] }),
      ['a', 'b'],
    ],
    [
      'or where the caller has put it',
      (guard, order) => ({ interceptors: [named('a', order), guard.interceptor, named('b', order)] }),
      ['a', 'b'],
    ],
    [
      'providers stay providers',
      (_guard, order) => ({ interceptor_providers: [() => named('a', order)] }),
      ['a'],
    ],
  ])('%s', async (_what, options, expected) => {
    const guard = createGuard();
    const order: string[] = [];
    const { call } = await setUp(guard, options(guard, order));
    expect(await call()).toBe(0);
    expect(order).toEqual(expected);
    expect(guard.snapshots().map(({ totals }) => totals.admitted)).toEqual([1]);
  });

  it("keeps the caller's transformer", async () => {
    const guard = createGuard();
    let seen = 0;
    const { call } = await setUp(guard, {
      callInvocationTransformer: (properties) => {
        seen += 1;
        return properties;
      },
    });
    expect(await call()).toBe(0);
    expect(seen).toBe(1);
  });

  it('names the option that is wrong', () => {
    const guard = createGuard();
    expect(() => guard.clientOptions(JSON.parse('7'))).toThrow(
      'clientOptions(options): expected an object, got 7',
    );
    expect(() => guard.clientOptions({}, 'a#b')).toThrow('without #');
  });

  it('gives each target its own circuits', async () => {
    const guard = createGuard();
    const server = await startMockServer({ models: ['demand-large'] });
    const client = new GRPCInferenceServiceClient(
      server.address,
      credentials.createInsecure(),
      guard.clientOptions({}, 'east'),
    );
    onTestFinished(async () => {
      client.close();
      await server.kill();
    });
    await new Promise((resolve) => client.modelInfer(demandRequest('demand-large', features), resolve));
    expect(guard.snapshots()[0]?.circuitKey).toMatch(/^east\//);
  });

  it('ends the open time of a circuit when the server listens again', async () => {
    const guard = createGuard({ circuit: { open: { baseMs: 30_000, jitter: 'none' } } });
    const story: string[] = [];
    const probes: ProbeEvent[] = [];
    guard.on('transition', ({ from, to, reason }) => story.push(`${from} -> ${to}: ${reason}`));
    guard.on('probe', (event) => probes.push(event));
    const { server, call } = await setUp(guard, {
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 100,
    });
    expect(await call()).toBe(0);
    await server.kill();
    for (let n = 0; n < 6; n++) await call();
    expect(story).toHaveLength(1);
    const { port } = new URL(`http://${server.address}`);
    const again = await startMockServer({ models: ['demand-large'], host: OWN_HOST, port: Number(port) });
    onTestFinished(() => again.kill());
    const began = Date.now();
    for (let n = 0; (await call()) !== 0 && n < 2000; n++)
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(Date.now() - began).toBeLessThan(10_000);
    expect(story.slice(1, 3)).toEqual([
      'open -> half-open: the server is ready',
      'half-open -> recovering: the probe succeeded',
    ]);
    const readiness = probes.filter(({ kind }) => kind === 'readiness').map(({ outcome }) => outcome);
    expect(readiness[0]).toBe('failure');
    expect(readiness.at(-1)).toBe('success');
  });

  it.each([
    [{ interceptors: 'x' }, 'clientOptions(options).interceptors: expected an array of functions, got "x"'],
    [
      { interceptors: [1] },
      'clientOptions(options).interceptors: expected an array of functions, got an array of 1',
    ],
    [
      { interceptor_providers: {} },
      'clientOptions(options).interceptor_providers: expected an array of functions',
    ],
    [
      { callInvocationTransformer: 'x' },
      'clientOptions(options).callInvocationTransformer: expected a function, got "x"',
    ],
  ])('%j are refused', (options, message) => {
    expect(() => createGuard().clientOptions(options as never)).toThrow(message);
  });
});
