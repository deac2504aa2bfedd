import KeyvRedis from '@keyv/redis';
import type { ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import { ManualClock } from 'failsoft/testing';
import Keyv from 'keyv';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { AnswerStore } from '../../../src/fallback/last-good/answer-store.js';
import { lastGood } from '../../../src/fallback/last-good/last-good.js';
import type { LastGoodOptions } from '../../../src/fallback/last-good/options.js';
import { hasRedis, startRedis } from '../deferred/redis.js';
import { chainOf, deferredPromise, FakeCall, METHOD, primaryAnswer, request, response } from '../support.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

type Options = LastGoodOptions<ModelInferRequest, ModelInferResponse>;

function setUp(options: Options) {
  const clock = options.clock ?? new ManualClock(1_000_000);
  const states: string[] = [];
  const strategy = lastGood<ModelInferRequest, ModelInferResponse>({
    maxEntries: 0,
    clock,
    onStoreState: (event) => states.push(event.state),
    ...options,
  });
  const chain = chainOf([strategy]);
  return {
    chain,
    states,
    strategy,
    keep: (id: string) => chain.keep(primaryAnswer({ request: request({ id }), response: response({ id }) })),
    ask: async (id: string) => {
      const { answer } = await chain.run(new FakeCall({ request: request({ id }) }));
      return answer === undefined ? undefined : { ageMs: answer.ageMs, message: answer.message };
    },
  };
}

/** A store in a Map, which can be spoiled. */
function mapStore() {
  const values = new Map<string, unknown>();
  const store = {
    get: async (key: string): Promise<unknown> => values.get(key),
    set: async (key: string, value: string, _ttlMs?: number): Promise<unknown> => values.set(key, value),
  };
  return { values, store };
}

/** Writes are sent off and not waited for. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('lastGood with a store', () => {
  it('shares answers through it, with their age, among processes', async () => {
    const { store } = mapStore();
    const clock = new ManualClock(1_000_000);
    const writer = setUp({ store, clock });
    const reader = setUp({ store, clock });
    writer.keep('1');
    await settled();
    await settled();
    clock.advance(250);
    expect(await reader.ask('1')).toMatchObject({ ageMs: 250, message: { id: '1' } });
    expect(await reader.ask('2')).toBeUndefined();
    clock.advance(660_000);
    expect(await reader.ask('1')).toBeUndefined();
    expect(reader.strategy.stats()).toMatchObject({
      hits: 1,
      misses: 2,
      stale: 1,
      store: { hits: 2, misses: 1 },
    });
    expect(reader.states).toEqual([]);
  });

  it('looks in memory first, and fills it from the store', async () => {
    const { store } = mapStore();
    const { keep, ask, strategy } = setUp({ store, maxEntries: 10 });
    keep('1');
    await settled();
    await ask('1');
    expect(strategy.stats().store).toMatchObject({ hits: 0, writes: 1 });
    strategy.clear();
    await ask('1');
    await ask('1');
    expect(strategy.stats().store).toMatchObject({ hits: 1 });
  });

  it('gives the store a time to live, and works with a Keyv in memory', async () => {
    const keyv = new Keyv();
    const store: AnswerStore = keyv;
    const { keep, ask } = setUp({ store });
    keep('1');
    await settled();
    await settled();
    expect(await ask('1')).toMatchObject({ message: { id: '1' } });
  });

  const garbage: [string, (whole: string) => unknown][] = [
    ['a number', () => 42],
    ['an object', () => ({ bytes: 'x' })],
    ['other text', () => 'hello'],
    ['a future version', (whole) => whole.replace('fs1:', 'fs9:')],
    ['a cut value', (whole) => whole.slice(0, -8)],
    ['nothing but the version', () => 'fs1:'],
    ['a changed byte', (whole) => whole.slice(0, -6) + (whole.at(-6) === 'A' ? 'B' : 'A') + whole.slice(-5)],
  ];
  it.each(garbage)('takes %s for a miss, counts it, and reports it once', async (_, spoil) => {
    const { values, store } = mapStore();
    const clock = new ManualClock(1_000_000);
    const { keep, ask, states, strategy } = setUp({ store, clock });
    keep('1');
    keep('2');
    await settled();
    await settled();
    const whole = [...values];
    for (const [key, value] of whole) values.set(key, spoil(String(value)));
    expect(await ask('1')).toBeUndefined();
    expect(await ask('2')).toBeUndefined();
    expect(states).toEqual(['garbage']);
    expect(strategy.stats().store).toMatchObject({ garbage: 2, state: 'garbage' });
    for (const [key, value] of whole) values.set(key, value);
    clock.advance(1_000);
    expect(await ask('1')).toBeDefined();
    expect(states).toEqual(['garbage', 'ok']);
  });

  it('takes an answer under another key for garbage: no mix-up in a store gives it to the wrong caller', async () => {
    const { values, store } = mapStore();
    const { keep, ask } = setUp({ store });
    keep('1');
    keep('2');
    await settled();
    await settled();
    const [[keyA, valueA] = [], [keyB, valueB] = []] = [...values];
    values.set(String(keyA), valueB).set(String(keyB), valueA);
    expect([await ask('1'), await ask('2')]).toEqual([undefined, undefined]);
  });

  it('waits for a slow store no longer than storeTimeoutMs, then does not use it for a second', async () => {
    const clock = new ManualClock(1_000_000);
    const slow = deferredPromise<undefined>();
    let reads = 0;
    const store = {
      get: () => {
        reads++;
        return slow.promise;
      },
      set: () => slow.promise,
    };
    const { ask, states, strategy } = setUp({ store, clock, storeTimeoutMs: 20 });
    const asked = ask('1');
    clock.advance(20);
    expect(await asked).toBeUndefined();
    expect(states).toEqual(['down']);
    clock.advance(999);
    expect(await ask('1')).toBeUndefined(); // at once: the clock does not move
    expect(reads).toBe(1);
    clock.advance(1);
    const again = ask('1');
    slow.resolve(undefined);
    expect(await again).toBeUndefined();
    expect(reads).toBe(2);
    expect(states).toEqual(['down', 'ok']);
    expect(strategy.stats().store).toMatchObject({ timeouts: 1, skipped: 1 });
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('refused'))],
    [
      'throws',
      () => {
        throw new Error('refused');
      },
    ],
  ])('outlives a store that %s', async (_, broken) => {
    const { keep, ask, states, strategy } = setUp({ store: { get: broken, set: broken } });
    keep('1');
    await settled();
    await settled();
    expect(await ask('1')).toBeUndefined();
    expect(states).toEqual(['down']);
    expect(strategy.stats().store).toMatchObject({ errors: 1, skipped: 1 });
  });

  it('counts an error that Keyv emits as an event', async () => {
    let tell: (error: unknown) => void = () => undefined;
    const store: AnswerStore = {
      get: async () => {
        tell(new Error('connection lost'));
        return undefined;
      },
      set: async () => true,
      on: (_event, listener) => {
        tell = listener;
      },
    };
    const { ask, states } = setUp({ store });
    await ask('1');
    expect(states).toEqual(['down']);
  });

  it('does not use a store for a second after it was too slow, however long its answer may take', async () => {
    const clock = new ManualClock(1_000_000);
    let reads = 0;
    const get = () => {
      reads++;
      return new Promise<never>(() => undefined);
    };
    const { ask } = setUp({ store: { get, set: get }, clock, storeTimeoutMs: 3_000 });
    const first = ask('1');
    clock.advance(3_000);
    await first;
    await ask('1');
    clock.advance(999);
    await ask('1');
    expect(reads).toBe(1);
    clock.advance(1);
    const again = ask('1');
    expect(reads).toBe(2);
    clock.advance(3_000);
    await again;
  });

  it('survives a store that answers or throws at once, by a thenable, or by a `then` that throws', async () => {
    const values = new Map<string, string>();
    const atOnce: AnswerStore = Object.create({
      get: (key: string) => values.get(key),
      set: (key: string, value: string) => void values.set(key, value),
    });
    const sync = setUp({ store: atOnce });
    sync.keep('1');
    await settled();
    expect(await sync.ask('1')).toMatchObject({ message: { id: '1' } });
    expect(sync.states).toEqual([]);
    const throwing: AnswerStore = Object.create({
      get: () => Object.defineProperty({}, 'then', { get: () => JSON.parse('{') }),
      set: () => undefined,
    });
    const broken = setUp({ store: throwing });
    expect(await broken.ask('1')).toBeUndefined();
    expect(broken.states).toEqual(['down']);
  });

  it('gives the store a time to live that every store takes: whole milliseconds above 0', async () => {
    const ttls: unknown[] = [];
    const get = async () => undefined;
    const set = async (_key: string, _value: string, ttlMs?: number) => void ttls.push(ttlMs);
    const cases = [
      { ttlMs: 1_000 / 3, maxStaleMs: 0 },
      { ttlMs: 0, maxStaleMs: 0 },
      { ttlMs: 5, maxStaleMs: 7 },
    ];
    for (const limits of cases) setUp({ store: { get, set }, ...limits }).keep('1');
    await settled();
    expect(ttls).toEqual([334, 1, 12]);
  });

  it('reports garbage among good answers once, not at each read', async () => {
    const clock = new ManualClock(1_000_000);
    const { values, store } = mapStore();
    const { keep, ask, states } = setUp({ store, clock });
    for (const id of ['1', '2']) keep(id);
    await settled();
    await settled();
    const [first = ''] = values.keys();
    const whole = values.get(first);
    values.set(first, 'garbage');
    for (let n = 0; n < 10; n++) {
      expect(await ask('1')).toBeUndefined();
      expect(await ask('2')).toBeDefined();
    }
    expect(states).toEqual(['garbage']);
    values.set(first, whole);
    clock.advance(1_000);
    expect(await ask('1')).toBeDefined();
    expect(states).toEqual(['garbage', 'ok']);
  });

  it('an answer of a replica whose clock is a little ahead is new, and is replaced by the next good one', async () => {
    const { store } = mapStore();
    const ahead = setUp({ store, clock: new ManualClock(1_060_000) });
    ahead.keep('1');
    await settled();
    const clock = new ManualClock(1_000_000);
    const { ask, chain } = setUp({ store, clock, maxEntries: 10 });
    expect(await ask('1')).toMatchObject({ ageMs: 0 });
    clock.advance(10);
    expect(await ask('1')).toMatchObject({ ageMs: 10 });
    chain.keep(primaryAnswer({ request: request({ id: '1' }), response: response({ id: 'newer' }) }));
    expect(await ask('1')).toMatchObject({ ageMs: 0, message: { id: 'newer' } });
  });

  it('an answer whose stamp is more than a minute ahead may be of any age, and is not given', async () => {
    const { store } = mapStore();
    setUp({ store, clock: new ManualClock(1_060_001) }).keep('1');
    await settled();
    const { ask, strategy } = setUp({ store, clock: new ManualClock(1_000_000) });
    expect(await ask('1')).toBeUndefined();
    expect(strategy.stats()).toMatchObject({ stale: 1, misses: 1, hits: 0 });
  });

  it('keeps namespaces of a shared store apart', async () => {
    const { store } = mapStore();
    const [production, staging, nameless] = ['production', 'staging', undefined].map((namespace) =>
      setUp({ store, ...(namespace !== undefined && { namespace }) }),
    );
    production?.keep('1');
    await settled();
    expect(await production?.ask('1')).toBeDefined();
    expect(await staging?.ask('1')).toBeUndefined();
    expect(await nameless?.ask('1')).toBeUndefined();
  });

  it('gives the younger of two answers: that of the store, and an answer that was kept while the store was read', async () => {
    const { store } = mapStore();
    const clock = new ManualClock(1_000_000);
    setUp({ store, clock }).keep('1');
    await settled();
    clock.advance(100);
    const { ask, chain } = setUp({ store, clock, maxEntries: 10 });
    const asked = ask('1');
    chain.keep(primaryAnswer({ request: request({ id: '1' }), response: response({ id: 'newer' }) }));
    await settled();
    expect(await asked).toMatchObject({ ageMs: 0, message: { id: 'newer' } });
    expect(await ask('1')).toMatchObject({ ageMs: 0, message: { id: 'newer' } });
  });

  it.each([
    ['as long as its own may be', 0, true],
    ['longer, which another replica put there', -3, false],
  ])('reads an answer that is %s, and decodes no other', async (_which, more, isGiven) => {
    const { store } = mapStore();
    const long = response({ id: 'x'.repeat(50_000) });
    const bytes = METHOD.responseSerialize(long).length;
    const writer = setUp({ store });
    writer.chain.keep(primaryAnswer({ request: request({ id: '1' }), response: long }));
    await settled();
    const { ask, strategy, states } = setUp({ store, maxMessageBytes: bytes + more });
    const decode = vi.spyOn(Buffer, 'from');
    onTestFinished(() => decode.mockRestore());
    const answer = await ask('1');
    const decoded = decode.mock.calls.filter(([text]) => typeof text === 'string' && text.length > bytes);
    expect([answer !== undefined, decoded.length > 0]).toEqual([isGiven, isGiven]);
    expect(strategy.stats()).toMatchObject({ hits: isGiven ? 1 : 0, misses: isGiven ? 0 : 1 });
    expect(states).toEqual([]);
  });

  it('has its answers on the way to the store when it is closed', async () => {
    const { store, values } = mapStore();
    const { keep, strategy } = setUp({ store });
    for (let n = 0; n < 100; n++) keep(`${n}`);
    await strategy.close?.();
    expect(values.size).toBe(100);
  });

  it('bounds the reads under way', async () => {
    let reads = 0;
    const get = () => {
      reads++;
      return new Promise<never>(() => undefined);
    };
    const { chain, strategy } = setUp({ store: { get, set: async () => true } });
    for (let i = 0; i < 2_000; i++) void chain.run(new FakeCall({ request: request({ id: `${i}` }) }));
    expect(reads).toBe(1024);
    expect(strategy.stats().store?.skipped).toBe(976);
  });

  it('bounds the writes under way', async () => {
    const { keep, strategy } = setUp({
      store: { get: async () => undefined, set: () => new Promise(() => undefined) },
    });
    for (let i = 0; i < 300; i++) keep(`${i}`);
    expect(strategy.stats().store).toMatchObject({ writes: 128, skipped: 172 });
  });

  it('reads no store when no time is left', async () => {
    let reads = 0;
    const { chain } = setUp({ store: { get: async () => void reads++, set: async () => true } });
    expect(chain.run(new FakeCall({ leftMs: 0 }))).toMatchObject({ attempts: [{ result: 'declined' }] });
    expect(reads).toBe(0);
  });
});

describe.skipIf(!hasRedis)('lastGood with a real redis-server', () => {
  it('no call fails or waits because of it: killed, silent, full of garbage, back', {
    timeout: 180_000,
  }, async () => {
    const redis = await startRedis();
    ends.push(() => redis.stop());
    const adapter = new KeyvRedis(redis.url, { throwOnErrors: false, throwOnConnectError: false });
    const keyv = new Keyv({ store: adapter, useKeyPrefix: false });
    ends.push(() => keyv.disconnect().catch(() => undefined)); // what it was connected to is gone by then
    const { systemClock } = await import('../../../src/clock.js');
    const { keep, ask, states, strategy } = setUp({ store: keyv, clock: systemClock, storeTimeoutMs: 50 });

    /** One call in traffic: never rejects, and never waits for a store that says nothing: that would be for ever. */
    const traffic = () => {
      keep('2'); // and not '1': an answer that still waits to be stored would be given
      return ask('1');
    };
    const hits = () => strategy.stats().store?.hits ?? 0;
    const untilHit = async () => {
      const before = hits();
      const hitsOfOne = async () => {
        keep('1');
        await ask('1');
        return hits();
      };
      await expect.poll(hitsOfOne, { interval: 50 }).toBeGreaterThan(before);
    };

    await untilHit();

    await redis.kill();
    for (let i = 0; i < 30; i++) expect(await traffic()).toBeUndefined();
    expect(strategy.stats().store?.state).toBe('down');
    await redis.start();
    await untilHit();
    expect(strategy.stats().store?.state).toBe('ok');

    redis.suspend();
    for (let i = 0; i < 30; i++) expect(await traffic()).toBeUndefined();
    expect(strategy.stats().store).toMatchObject({ state: 'down' });
    expect(strategy.stats().store?.timeouts).toBeGreaterThan(0);
    redis.resume();
    await untilHit();

    const keys = 'for _, k in ipairs(redis.call("KEYS", "*")) do redis.call("SET", k, ARGV[1]) end return 1';
    for (const spoiled of ['garbage', '{"value":"fs1:AAAA"}', '{"value":{"a":1}}', '\u0000\u0001']) {
      const before = strategy.stats().store?.garbage ?? 0;
      await expect
        .poll(async () => {
          await redis.command('EVAL', keys, '0', spoiled);
          await ask('1');
          return (strategy.stats().store?.garbage ?? 0) + (strategy.stats().store?.errors ?? 0);
        })
        .toBeGreaterThan(before);
    }
    await untilHit();
    expect(states.at(-1)).toBe('ok');
  });
});
