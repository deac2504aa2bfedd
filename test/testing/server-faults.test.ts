import { networkInterfaces } from 'node:os';
import { status } from '@grpc/grpc-js';
import { type FaultPlan, ManualClock, type ServerPreset } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import * as messages from '../../src/gen/failsoft/mock/v1/fault.js';
import { FaultServiceService } from '../../src/gen/failsoft/mock/v1/fault.js';
import { RetryInfo } from '../../src/gen/google/rpc/error_details.js';
import { Status } from '../../src/gen/google/rpc/status.js';
import { GRPCInferenceServiceService as oip } from '../../src/gen/inference/grpc_service.js';
import { errorStatus } from '../../src/testing/server/error-status.js';
import { connect, eventually, goodRequest, infer, inferCall, rpc, start } from './fixture.js';

const emptyPlan = messages.FaultPlan.create();
const large = (plan: FaultPlan) => ({ faults: { 'demand-large': plan } });

describe('latency', () => {
  /** Calls once and says after how many milliseconds of the server's clock the answer comes, to 0.5 ms. */
  async function latencyOf(plan: FaultPlan, latencyMs: number, ageMs = 0): Promise<number> {
    const clock = new ManualClock();
    const { client, server } = await start({ clock, latencyMs });
    server.faults.set('demand-large', plan);
    clock.advance(ageMs);
    let answered = false;
    const answer = infer(client).finally(() => {
      answered = true;
    });
    await eventually(() => clock.pendingTimers === 1, 'the call waits');
    let waited = 0;
    while (clock.pendingTimers > 0) {
      expect(answered).toBe(false);
      clock.advance(0.5);
      waited += 0.5;
    }
    expect((await answer).code).toBe(status.OK);
    return waited;
  }

  it.each([
    ['its own', {}, 8, 0, 8],
    ['a fixed one in its place', { latency: { kind: 'fixed', ms: 30 } }, 8, 0, 30],
    ['a multiple: a brownout', { latencyMultiplier: 20 }, 8, 0, 160],
    ['a warm-up at its start', { warmUp: { multiplier: 10, durationMs: 1000 } }, 8, 0, 80],
    ['a warm-up half way', { warmUp: { multiplier: 11, durationMs: 1000 } }, 8, 500, 48],
    ['a warm-up that is over', { warmUp: { multiplier: 10, durationMs: 1000 } }, 8, 1000, 8],
  ] as const)('is %s', async (_, plan, latencyMs, ageMs, want) => {
    expect(await latencyOf(plan, latencyMs, ageMs)).toBe(want);
  });

  it('of a distribution is the same for the same seed, and varies from call to call', async () => {
    const run = async (seed: number) => {
      const clock = new ManualClock();
      const { client } = await start({
        clock,
        seed,
        ...large({ latency: { kind: 'exponential', meanMs: 20 } }),
      });
      const times: number[] = [];
      for (let call = 0; call < 5; call++) {
        const before = clock.now();
        const answer = infer(client);
        await eventually(() => clock.pendingTimers === 1, 'the call waits');
        while (clock.pendingTimers > 0) clock.advance(1);
        await answer;
        times.push(clock.now() - before);
      }
      return times;
    };
    const first = await run(1);
    expect(await run(1)).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(1);
    expect(await run(2)).not.toEqual(first);
  });
});

describe('errors', () => {
  it('come with code, details, push-back, RetryInfo and trailers', async () => {
    const error = {
      code: status.UNAVAILABLE,
      details: 'GPU on fire',
      pushbackMs: 250,
      retryDelayMs: 1500.5,
      trailers: { 'x-zone': 'b' },
    };
    const { client } = await start(large({ error }));
    const { code, details, trailers } = await infer(client);
    expect([code, details]).toEqual([status.UNAVAILABLE, 'GPU on fire']);
    expect(trailers?.get('grpc-retry-pushback-ms')).toEqual(['250']);
    expect(trailers?.get('x-zone')).toEqual(['b']);
    const [bytes] = trailers?.get('grpc-status-details-bin') ?? [];
    if (!Buffer.isBuffer(bytes)) throw new Error('no details');
    const {
      details: [detail],
      ...rest
    } = Status.decode(bytes);
    expect(rest).toEqual({ code: 14, message: 'GPU on fire' });
    expect(detail?.typeUrl).toBe('type.googleapis.com/google.rpc.RetryInfo');
    const retryInfo = RetryInfo.decode(detail?.value ?? Buffer.of());
    expect(retryInfo).toEqual({ retryDelay: { seconds: 1n, nanos: 500_500_000 } });
  });

  it.each([
    [999.999_999_9, { seconds: 0n, nanos: 999_999_999 }],
    [2_000, { seconds: 2n, nanos: 0 }],
    [315_576_000_000_000, { seconds: 315_576_000_000n, nanos: 0 }],
  ])('say a delay of %d ms as a valid Duration', async (retryDelayMs, retryDelay) => {
    const { metadata } = errorStatus({ code: status.UNAVAILABLE, retryDelayMs });
    const [bytes] = metadata.get('grpc-status-details-bin');
    if (!Buffer.isBuffer(bytes)) throw new Error('no details');
    const [detail] = Status.decode(bytes).details;
    expect(RetryInfo.decode(detail?.value ?? Buffer.of())).toEqual({ retryDelay });
  });

  it('as large as they may be reach the client, and leave the connection well', async () => {
    const error = {
      code: status.UNAVAILABLE,
      details: '-'.repeat(8_192),
      retryDelayMs: 1,
      trailers: { 'x-a': '-'.repeat(8_192 - 32 - 3) },
    };
    const { client } = await start(large({ error }));
    const { code, details, trailers } = await infer(client);
    expect([code, details.length]).toEqual([status.UNAVAILABLE, 8_192]);
    expect(trailers?.get('x-a')[0]?.length).toBe(8_157);
    expect((await infer(client, goodRequest('demand-small'))).code).toBe(status.OK);
  });

  it('hit a share of the calls of a model, the same calls for the same seed', async () => {
    const run = async (seed: number) => {
      const { client } = await start({ seed, ...large({ error: { code: 13, share: 0.3 } }) });
      const codes: status[] = [];
      for (let call = 0; call < 100; call++) codes.push((await infer(client)).code);
      expect((await infer(client, goodRequest('demand-small'))).code).toBe(status.OK);
      return codes;
    };
    const codes = await run(1);
    const failed = codes.filter((code) => code === status.INTERNAL).length;
    expect(failed).toBeGreaterThan(15);
    expect(failed).toBeLessThan(45);
    expect(failed + codes.filter((code) => code === status.OK).length).toBe(100);
    expect(await run(1)).toEqual(codes);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])('can have the code %i', async (code) => {
    const { client } = await start(large({ error: { code } }));
    expect(await infer(client)).toMatchObject({ code, details: 'injected fault' });
  });
});

describe('hang', () => {
  it("never answers, holds its place until the caller's deadline, then gives it back", async () => {
    const { server, client } = await start(large({ hangShare: 1, queue: { concurrency: 1, maxQueued: 5 } }));
    expect((await infer(client, goodRequest(), 150)).code).toBe(status.DEADLINE_EXCEEDED);
    await eventually(() => server.load('demand-large').running === 0, 'the place is given back');
    server.faults.clear('demand-large');
    expect((await infer(client)).code).toBe(status.OK);
  });
});

describe('drop', () => {
  it('resets the connection of the call, and no other connection', async () => {
    const { server, client } = await start();
    const { client: bystander } = connect(server.address);
    server.faults.set('demand-small', { hangShare: 1 });
    const together = infer(client, goodRequest('demand-small'));
    const apart = inferCall(bystander, goodRequest('demand-small'));
    await eventually(() => server.load('demand-small').running === 2, 'both calls run');
    server.faults.set('demand-large', { dropShare: 1 });
    expect((await infer(client)).code).toBe(status.UNAVAILABLE);
    expect((await together).code).toBe(status.UNAVAILABLE);
    await eventually(() => server.load('demand-small').running === 1, 'the dropped call left');
    server.faults.clear();
    expect((await infer(client)).code).toBe(status.OK);
    // Its connection lives: the call still runs, and ends only as its own caller says.
    expect(await rpc(bystander, oip.serverLive, {})).toEqual({ live: true });
    expect(server.load('demand-small').running).toBe(1);
    apart.cancel();
    expect((await apart.answer).code).toBe(status.CANCELLED);
  });
});

const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
);
// Not there, rather than skipped: a machine without IPv6 lacks no service.
if (hasIpv6) {
  it('drop finds the connection of an IPv6 address too', async () => {
    const { server, client } = await start({ host: '::1', ...large({ dropShare: 1 }) });
    expect(server.address).toBe(`[::1]:${server.port}`);
    expect((await infer(client)).code).toBe(status.UNAVAILABLE);
    server.faults.clear('demand-large');
    expect((await infer(client)).code).toBe(status.OK);
  });
}

describe('queue', () => {
  const queue = { concurrency: 1, maxQueued: 1 };
  const expected: readonly [
    preset: ServerPreset,
    full: [status, RegExp],
    timedOut: [status, RegExp] | 'silence',
  ][] = [
    [
      'triton',
      [status.UNAVAILABLE, /Exceeds maximum queue size/],
      [status.UNAVAILABLE, /Request timeout expired/],
    ],
    ['tfServing', [status.UNAVAILABLE, /queue.*full/], [status.RESOURCE_EXHAUSTED, /./]],
    ['kserve', [status.RESOURCE_EXHAUSTED, /./], [status.RESOURCE_EXHAUSTED, /./]],
    ['mlserver', [status.RESOURCE_EXHAUSTED, /./], [status.RESOURCE_EXHAUSTED, /./]],
    ['torchServe', [status.INTERNAL, /queue/], 'silence'],
    ['rayServe', [status.RESOURCE_EXHAUSTED, /./], [status.DEADLINE_EXCEEDED, /./]],
  ];

  it.each(expected)(
    'of %s answers a call too many, and one that waited too long',
    async (preset, full, timedOut) => {
      const clock = new ManualClock();
      const { server, client } = await start({
        preset,
        clock,
        ...large({ hangShare: 1, queue: { ...queue, timeoutMs: 100 } }),
      });
      const running = inferCall(client);
      await eventually(() => server.load('demand-large').running === 1, 'one runs');
      const waiting = inferCall(client);
      await eventually(() => server.load('demand-large').queued === 1, 'one waits');
      const tooMany = await infer(client);
      expect(tooMany.code).toBe(full[0]);
      expect(tooMany.details).toMatch(full[1]);
      clock.advance(100);
      await eventually(() => server.load('demand-large').queued === 0, 'it waits no more');
      // An answer would have come on the same connection before this one.
      await rpc(client, oip.serverLive, {});
      waiting.cancel();
      const waited = await waiting.answer;
      expect(waited.code).toBe(timedOut === 'silence' ? status.CANCELLED : timedOut[0]);
      if (timedOut !== 'silence') expect(waited.details).toMatch(timedOut[1]);
      running.cancel();
      expect((await running.answer).code).toBe(status.CANCELLED);
      await eventually(() => server.load('demand-large').running === 0, 'all left');
      expect(clock.pendingTimers).toBe(0);
    },
  );

  it('runs calls one after the other, and removes a cancelled call', async () => {
    const clock = new ManualClock();
    const { server, client } = await start({
      clock,
      latencyMs: 10,
      ...large({ queue: { concurrency: 1, maxQueued: 2 } }),
    });
    const first = infer(client);
    await eventually(() => server.load('demand-large').running === 1, 'one runs');
    const leaving = inferCall(client);
    await eventually(() => server.load('demand-large').queued === 1, 'one waits');
    leaving.cancel();
    expect((await leaving.answer).code).toBe(status.CANCELLED);
    await eventually(() => server.load('demand-large').queued === 0, 'it left');
    const second = infer(client);
    await eventually(() => server.load('demand-large').queued === 1, 'another waits');
    clock.advance(10);
    expect((await first).code).toBe(status.OK);
    await eventually(() => clock.pendingTimers === 1, 'it runs');
    clock.advance(10);
    expect((await second).code).toBe(status.OK);
    expect(server.load('demand-large')).toEqual({ running: 0, queued: 0 });
  });
});

describe('faults that change while calls are in flight', () => {
  it('leave running calls, admit waiting calls with their fate, and hold for later calls', async () => {
    const clock = new ManualClock();
    const { server, client } = await start({
      clock,
      latencyMs: 10,
      ...large({ hangShare: 1, queue: { concurrency: 1, maxQueued: 1 } }),
    });
    const load = () => server.load('demand-large');
    const hanging = inferCall(client);
    await eventually(() => load().running === 1, 'one hangs');
    server.faults.set('demand-large', {
      error: { code: status.DATA_LOSS },
      latency: { kind: 'fixed', ms: 99 },
      queue: { concurrency: 1, maxQueued: 1 },
    });
    const waiting = infer(client);
    await eventually(() => load().queued === 1, 'one waits');
    server.faults.clear('demand-large');
    await eventually(() => clock.pendingTimers === 1, 'without a limit it runs');
    clock.advance(10); // the new latency
    expect((await waiting).code).toBe(status.DATA_LOSS);
    expect(load()).toEqual({ running: 1, queued: 0 });
    const healthy = infer(client);
    await eventually(() => clock.pendingTimers === 1, 'a new call runs');
    clock.advance(10);
    expect((await healthy).code).toBe(status.OK);
    hanging.cancel();
    expect((await hanging.answer).code).toBe(status.CANCELLED);
    await eventually(() => load().running === 0, 'its place is free');
  });
});

describe('not ready', () => {
  it.each([
    ['triton', status.UNAVAILABLE, /not ready/],
    ['tfServing', status.NOT_FOUND, /./],
    ['kserve', status.UNAVAILABLE, /not ready/],
    ['mlserver', status.INVALID_ARGUMENT, /is not ready/],
    ['torchServe', status.INTERNAL, /has no worker/],
    ['rayServe', status.UNAVAILABLE, /./],
  ] as const)(
    'is answered by %s with %i, and ModelReady and ServerReady say no',
    async (preset, code, details) => {
      const { server, client } = await start({ preset, ...large({ notReady: true }) });
      const answer = await infer(client);
      expect(answer.code).toBe(code);
      expect(answer.details).toMatch(details);
      const ready = (name: string) => rpc(client, oip.modelReady, { name, version: '' });
      expect(await ready('demand-large')).toEqual({ ready: false });
      expect(await ready('demand-small')).toEqual({ ready: true });
      expect(await rpc(client, oip.serverReady, {})).toEqual({ ready: false });
      expect((await infer(client, goodRequest('demand-small'))).code).toBe(status.OK);
      server.faults.set('demand-large', {});
      expect(await ready('demand-large')).toEqual({ ready: true });
      expect((await infer(client)).code).toBe(status.OK);
    },
  );
});

it.each([
  ['torchServe', status.INTERNAL, /ModelNotFoundException/, status.UNAVAILABLE],
  ['rayServe', status.NOT_FOUND, /unknown model/, status.INVALID_ARGUMENT],
] as const)(
  '%s answers an unknown model and a bad input in its own way',
  async (preset, unknown, details, bad) => {
    const { client } = await start({ preset });
    const answer = await infer(client, goodRequest('other'));
    expect(answer.code).toBe(unknown);
    expect(answer.details).toMatch(details);
    expect((await infer(client, { ...goodRequest(), inputs: [] })).code).toBe(bad);
  },
);

describe('over gRPC', () => {
  it('faults are set, read and cleared while the server runs', async () => {
    const { server, client, faults } = await start();
    const error = { code: status.DATA_LOSS, details: 'bits rot', trailers: new Map([['x-a', '1']]) };
    const plan = messages.FaultPlan.fromPartial({ error });
    const set = await rpc(faults, FaultServiceService.setFaults, { model: 'demand-large', faults: plan });
    expect(set.faults).toEqual(plan);
    expect(server.faults.get('demand-large')).toEqual({
      error: { code: status.DATA_LOSS, details: 'bits rot', trailers: { 'x-a': '1' } },
    });
    expect(await infer(client)).toMatchObject({ code: status.DATA_LOSS, details: 'bits rot' });
    const all = await rpc(faults, FaultServiceService.getFaults, { model: '' });
    expect([...all.faults.keys()]).toEqual(['demand-large', 'demand-small']);
    expect(all.faults.get('demand-small')).toEqual(emptyPlan);
    const one = await rpc(faults, FaultServiceService.getFaults, { model: 'demand-large' });
    expect([...one.faults]).toMatchObject([['demand-large', { error: { code: status.DATA_LOSS } }]]);
    await rpc(faults, FaultServiceService.clearFaults, { model: 'demand-large' });
    expect((await infer(client)).code).toBe(status.OK);
    server.faults.set('demand-small', { hangShare: 1 });
    await rpc(faults, FaultServiceService.clearFaults, { model: '' });
    expect(server.faults.get('demand-small')).toEqual({});
  });

  it('a bad plan is INVALID_ARGUMENT that names the field, and an unknown model is NOT_FOUND', async () => {
    const { faults } = await start();
    const set = (model: string, plan: typeof emptyPlan) =>
      rpc(faults, FaultServiceService.setFaults, { model, faults: plan });
    await expect(set('demand-large', { ...emptyPlan, hangShare: 2 })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'faults.hangShare: expected a number from 0 to 1, got 2',
    });
    await expect(set('demand-huge', emptyPlan)).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: 'model: expected one of demand-large, demand-small, got "demand-huge"',
    });
    const unknown = { model: 'x' };
    await expect(rpc(faults, FaultServiceService.getFaults, unknown)).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
    await expect(rpc(faults, FaultServiceService.clearFaults, unknown)).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });
});
