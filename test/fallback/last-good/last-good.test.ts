import { credentials, Metadata } from '@grpc/grpc-js';
import { type ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it, vi } from 'vitest';
import { lastGood } from '../../../src/fallback/last-good/last-good.js';
import type { LastGoodOptions } from '../../../src/fallback/last-good/options.js';
import { FakeCall, METHOD, metadata, primaryAnswer, request, response } from '../support.js';

type Options = LastGoodOptions<ModelInferRequest, ModelInferResponse>;

function setUp(options: Options = {}) {
  const clock = new ManualClock(1_000_000);
  const strategy = lastGood({ clock, ...options });
  strategy.bind?.(METHOD);
  const call = (asked: ModelInferRequest, by = new Metadata()) => ({ request: asked, metadata: by, clock });
  return {
    clock,
    strategy,
    keep: (asked: ModelInferRequest, given: ModelInferResponse, by = new Metadata()) =>
      strategy.keep?.(primaryAnswer({ request: asked, metadata: by, response: given })),
    /** What a synchronous answer is: its id and age, or undefined. */
    ask: (asked: ModelInferRequest, by?: Metadata) => {
      const answer = strategy.answer(new FakeCall(call(asked, by)).asked<ModelInferRequest>());
      if (answer === undefined) return undefined;
      if (!('message' in answer)) throw new Error('memory answers at once');
      expect(answer.source).toBe('last-good');
      return { ...ModelInferResponse.fromPartial(answer.message), ageMs: answer.ageMs };
    },
  };
}

describe('lastGood in memory', () => {
  it('gives the last good answer to the same request, with its age', () => {
    const { keep, ask, clock, strategy } = setUp();
    expect(ask(request())).toBeUndefined();
    keep(request(), response({ id: 'first' }));
    clock.advance(1000);
    keep(request(), response({ id: 'second' }));
    clock.advance(500);
    expect(ask(request())).toMatchObject({ id: 'second', ageMs: 500 });
    expect(ask(request({ modelName: 'other' }))).toBeUndefined();
    expect(strategy.stats()).toMatchObject({ kept: 2, hits: 1, misses: 2, entries: 1 });
  });

  it.each<[string, Options, number]>([
    ['is not decoded', {}, 0],
    ['is decoded for `response`', { response: (kept, { id }) => ({ ...kept, id }) }, 1],
  ])('the request of an answer from memory %s', (_how, options, times) => {
    const { strategy, clock } = setUp(options);
    const asked = request({ id: 'asked' });
    strategy.keep?.(primaryAnswer({ request: asked }));
    const reads = vi.fn(() => asked);
    const facts = new FakeCall({ clock }).asked<ModelInferRequest>();
    const context = Object.create(facts, {
      method: { value: METHOD.path },
      circuitKey: { value: METHOD.path },
      metadata: { value: new Metadata() },
      requestBytes: { value: METHOD.requestSerialize(asked) },
      request: { get: reads },
      host: { value: undefined },
      credentials: { value: undefined },
    });
    expect(strategy.answer(context)).toMatchObject({ message: { id: times === 0 ? '' : 'asked' } });
    expect(reads).toHaveBeenCalledTimes(times);
  });

  it('distinguishes callers by the `vary` keys that have a value', () => {
    const { keep, ask } = setUp({ vary: ['x-tenant', 'x-user'] });
    keep(request(), response(), metadata({ 'x-tenant': 'a' }));
    expect(ask(request(), metadata({ 'x-user': 'a' }))).toBeUndefined();
    expect(ask(request(), metadata({ 'x-tenant': 'a', 'x-user': '' }))).toBeUndefined();
    expect(ask(request(), metadata({ 'x-tenant': 'a' }))).toBeDefined();
  });

  it('gives no answer of another circuit key: neither of another target nor of another model', () => {
    const { strategy, clock } = setUp();
    const from = (circuitKey: string) => new FakeCall({ clock, circuitKey }).asked<ModelInferRequest>();
    const given = (key: string) => strategy.answer(from(key)) !== undefined;
    for (const key of [`eu${METHOD.path}#fraud`, `${METHOD.path}#fraud`, `us${METHOD.path}`])
      strategy.keep?.(primaryAnswer({ circuitKey: key }));
    expect(given(`eu${METHOD.path}#fraud`)).toBe(true);
    expect(given(`eu${METHOD.path}#churn`)).toBe(false);
    expect(given(`eu${METHOD.path}`)).toBe(false);
    expect(given(`us${METHOD.path}#fraud`)).toBe(false);
    expect(given(`us${METHOD.path}`)).toBe(true);
    expect(given(METHOD.path)).toBe(false);
    expect(strategy.stats().entries).toBe(3);
  });

  it('gives no answer of another host', () => {
    const { strategy, clock } = setUp();
    const given = (host?: string) =>
      strategy.answer(new FakeCall({ clock, ...(host !== undefined && { host }) }).asked()) !== undefined;
    strategy.keep?.(primaryAnswer({ host: 'tenant-a' }));
    expect([given('tenant-a'), given('tenant-b'), given(), given('')]).toEqual([true, false, false, false]);
  });

  it.each([
    ['at ttlMs + maxStaleMs', 300, true],
    ['a millisecond later', 301, false],
  ])('%s', (_, ageMs, given) => {
    const { keep, ask, clock, strategy } = setUp({ ttlMs: 100, maxStaleMs: 200 });
    keep(request(), response());
    clock.advance(ageMs);
    expect(ask(request()) !== undefined).toBe(given);
    expect(strategy.stats()).toMatchObject({ stale: given ? 0 : 1, entries: given ? 1 : 0 });
  });

  it('cannot be poisoned: not by the request, the answer, or an answer that it gave', () => {
    const { keep, ask } = setUp();
    const asked = request({ rawInputContents: [Buffer.from([1])] });
    const given = response({ id: 'good', rawOutputContents: [Buffer.from([1, 2])] });
    keep(asked, given);
    asked.modelName = 'changed';
    given.id = 'changed';
    given.rawOutputContents[0]?.fill(9);
    const first = ask(request({ rawInputContents: [Buffer.from([1])] }));
    first?.rawOutputContents[0]?.fill(9);
    expect(ask(request({ rawInputContents: [Buffer.from([1])] }))).toMatchObject({
      id: 'good',
      rawOutputContents: [Buffer.from([1, 2])],
    });
  });

  it('finds a request whose maps were filled in another order', () => {
    const { keep, ask } = setUp();
    const a: [string, { int64Param: bigint }] = ['a', { int64Param: 1n }];
    const b: [string, { int64Param: bigint }] = ['b', { int64Param: 2n }];
    const asked = (...parameters: (typeof a)[]) => request({ parameters: new Map(parameters) });
    keep(asked(b, a), response({ id: 'x' }));
    expect(ask(asked(a, b))).toMatchObject({ id: 'x' });
    expect(ask(asked(b, a))).toMatchObject({ id: 'x' });
    expect(ask(asked(['a', b[1]], ['b', a[1]]))).toBeUndefined();
  });

  it.each<[string, Options, ModelInferRequest, ModelInferRequest, boolean]>([
    ['by default a request’s id is part of it', {}, request({ id: '1' }), request({ id: '2' }), false],
    [
      'normalize() makes requests equal',
      { normalize: (r) => ({ ...r, id: '' }) },
      request({ id: '1' }),
      request({ id: '2' }),
      true,
    ],
    [
      'keyOf() makes requests equal',
      { keyOf: (r) => r.modelName },
      request({ id: '1' }),
      request({ id: '2' }),
      true,
    ],
    [
      'keyOf() tells requests apart',
      { keyOf: (r) => r.id },
      request({ id: '\ud800' }),
      request({ id: '\ud801' }),
      false,
    ],
  ])('%s', (_, options, first, second, same) => {
    const { keep, ask } = setUp(options);
    keep(first, response());
    expect(ask(second) !== undefined).toBe(same);
  });

  it('adapts its answer, through the method’s serializer', () => {
    const strategy = lastGood<ModelInferRequest, ModelInferResponse>({
      response: (kept, asked) => ({ ...kept, id: asked.id }),
    });
    expect(strategy.decoded).toBe(false);
    const { keep, ask } = setUp({
      normalize: (r) => ({ ...r, id: '' }),
      response: (kept, asked) => ({ ...kept, id: asked.id }),
    });
    keep(request({ id: '1' }), response({ id: '1' }));
    expect(ask(request({ id: '2' }))).toMatchObject({ id: '2' });
  });

  it('counts no hit where adapting the answer fails', () => {
    const { keep, ask, strategy } = setUp({
      response: () => {
        throw new Error('cannot adapt');
      },
    });
    keep(request(), response());
    expect(() => ask(request())).toThrow('cannot adapt');
    expect(strategy.stats().hits).toBe(0);
  });

  it('never gives a caller the answer of another caller', () => {
    const { keep, ask } = setUp({ vary: ['authorization', 'x-tenant-bin'] });
    const callers = [
      metadata({}),
      metadata({ authorization: '' }),
      metadata({ authorization: 'a' }),
      metadata({ authorization: 'b' }),
      metadata({ 'x-tenant-bin': Buffer.from('a') }),
      metadata({ authorization: 'a', 'x-tenant-bin': Buffer.from('a') }),
    ];
    const two = metadata({ authorization: 'a' });
    two.add('authorization', 'b');
    callers.push(two);
    for (const [index, by] of callers.entries()) keep(request(), response({ id: `${index}` }), by);
    expect(callers.map((by) => ask(request(), by)?.id)).toEqual(callers.map((_, index) => `${index}`));
  });

  it('distinguishes callers by their call credentials, which are not in the metadata', () => {
    const { strategy, clock } = setUp();
    const [mine, yours] = [1, 2].map(() =>
      credentials.createFromMetadataGenerator((_options, done) => done(null, new Metadata())),
    );
    strategy.keep?.(primaryAnswer({ credentials: mine }));
    const asks = (by: typeof mine) => strategy.answer(new FakeCall({ clock, credentials: by }).asked());
    expect(asks(mine)).toBeDefined();
    expect(asks(yours)).toBeUndefined();
    expect(asks(undefined)).toBeUndefined();
  });

  it('is bounded in entries and in bytes, the least recently used going first', () => {
    const few = setUp({ maxEntries: 2 });
    for (const id of ['1', '2']) few.keep(request({ id }), response({ id }));
    few.ask(request({ id: '1' }));
    few.keep(request({ id: '3' }), response());
    expect(['1', '2', '3'].map((id) => few.ask(request({ id })) !== undefined)).toEqual([true, false, true]);

    const small = setUp({ maxBytes: 10_000 });
    const big = response({ rawOutputContents: [Buffer.alloc(1000)] });
    for (let i = 0; i < 1000; i++) small.keep(request({ id: `${i}` }), big);
    small.keep(request({ id: 'huge' }), response({ rawOutputContents: [Buffer.alloc(20_000)] }));
    const { entries, bytes, kept, failures } = small.strategy.stats();
    expect([kept, failures]).toEqual([1000, 1]);
    expect(bytes).toBeLessThanOrEqual(10_000);
    expect(entries).toBeGreaterThan(5);
    expect(small.ask(request({ id: 'huge' }))).toBeUndefined();
  });

  it('gives no older answer in the place of an answer that was too large to keep', () => {
    const { keep, ask, strategy } = setUp({ maxBytes: 10_000 });
    keep(request(), response({ id: 'older' }));
    expect(ask(request())).toMatchObject({ id: 'older' });
    keep(request(), response({ rawOutputContents: [Buffer.alloc(20_000)] }));
    expect(ask(request())).toBeUndefined();
    expect(strategy.stats()).toMatchObject({ kept: 1, failures: 1, entries: 0, bytes: 0 });
  });

  it('counts an answer that cannot be kept, and does not touch the call', () => {
    const { keep, strategy } = setUp({
      keyOf: () => {
        throw new Error('broken');
      },
    });
    expect(() => keep(request(), response())).not.toThrow();
    expect(strategy.stats()).toMatchObject({ failures: 1, kept: 0 });
  });

  it('forgets on demand', () => {
    const { keep, ask, strategy } = setUp();
    keep(request(), response());
    strategy.clear();
    expect(ask(request())).toBeUndefined();
  });

  it('is for unary methods', () => {
    expect(() => lastGood().bind?.({ ...METHOD, responseStream: true })).toThrow('a unary method');
  });

  it.each([
    ['ttlMs', { ttlMs: -1 }],
    ['maxEntries', { maxEntries: 0 }],
    ['maxBytes', { maxBytes: 0 }],
    ['vary[0]', { vary: ['Authorization'] }],
    ['vary', { vary: JSON.parse('"authorization"') }],
    ['keyOf', { keyOf: JSON.parse('"id"') }],
    ['storeTimeoutMs', { storeTimeoutMs: 0 }],
    ['store.get', { store: JSON.parse('{}') }],
    ['when', { when: JSON.parse('"never"') }],
    ['maxAge', JSON.parse('{"maxAge":1}')],
  ])('refuses a wrong %s', (field, options) => {
    expect(() => lastGood(options)).toThrow(`lastGood.${field}`);
  });
});
