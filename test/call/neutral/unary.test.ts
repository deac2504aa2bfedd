import { AsyncLocalStorage } from 'node:async_hooks';
import { getEventListeners } from 'node:events';
import { Metadata, status } from '@grpc/grpc-js';
import {
  answerWith,
  circuitRejectionOf,
  consecutiveFailures,
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  type GuardOptions,
  lastGood,
  noFallback,
  perKey,
} from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { commonStatusOf } from '../../../src/call/neutral/thrown-status.js';
import { jsonMethod } from '../../support/json-method.js';

const tokenOf = (token: string): Metadata => {
  const metadata = new Metadata();
  metadata.set('authorization', token);
  return metadata;
};
interface Query {
  readonly user: string;
}
interface Rank {
  readonly rank: number;
}
const RANK = jsonMethod<Query, Rank>('/shop.Ranker/Rank');
const query: Query = { user: 'ada' };

const make = (options: GuardOptions = {}) =>
  createGuard({ circuit: { trip: [consecutiveFailures({ failures: 2 })], recovering: false }, ...options });

const down = () => Promise.reject(Object.assign(new Error('down'), { code: 14, details: 'down' }));

describe('guard.call', () => {
  it('gives the answer and its source', async () => {
    const guard = make();
    const answer = await guard.call(RANK, query, ({ request }) => ({ rank: request.user.length }));
    expect(answer).toMatchObject({ response: { rank: 3 }, source: 'primary', degraded: false });
    expect(guard.circuit(RANK).snapshot().totals.outcomes.success).toBe(1);
    expect(guard.answers()).toEqual([expect.objectContaining({ source: 'primary', count: 1 })]);
  });

  it('takes an error that cannot be read for a failure', async () => {
    const guard = make();
    const unreadable = {
      get code(): number {
        throw new Error('no code');
      },
    };
    const call = guard.call(RANK, query, () => Promise.reject(unreadable));
    expect(await call.catch((error: unknown) => error === unreadable)).toBe(true);
    expect(guard.circuit(RANK).snapshot().totals.outcomes.failure).toBe(1);
    expect(commonStatusOf(unreadable)).toMatchObject({ code: status.UNKNOWN, details: '' });
  });

  it('tells next the metadata and the deadline of its caller', async () => {
    const deadline = Date.now() + 60_000;
    const metadata = tokenOf('ada');
    const seen: unknown[] = [];
    await make().call(
      RANK,
      query,
      (context) => {
        seen.push(context.metadata.get('authorization'), context.deadlineMs);
        return { rank: 1 };
      },
      { metadata, deadline },
    );
    expect(seen).toEqual([['ada'], deadline]);
  });

  it('opens, rejects without a call, and closes again', async () => {
    const clock = new ManualClock();
    const guard = make({ clock });
    await expect(guard.call(RANK, query, down)).rejects.toThrow('down');
    await expect(guard.call(RANK, query, down)).rejects.toThrow('down');
    let calls = 0;
    const count = () => ({ rank: ++calls });
    const error: unknown = await guard.call(RANK, query, count).catch((thrown: unknown) => thrown);
    expect(circuitRejectionOf(error)).toMatchObject({ circuitKey: RANK.path, reason: 'CIRCUIT_OPEN' });
    expect(error).toMatchObject({ code: status.UNAVAILABLE });
    expect(calls).toBe(0);
    clock.advance(60_000);
    expect((await guard.call(RANK, query, count)).response).toEqual({ rank: 1 });
    expect(guard.circuit(RANK).state).toBe('closed');
  });

  it('ignores a probe that was not sent', async () => {
    const clock = new ManualClock();
    const guard = make({ clock });
    for (let n = 0; n < 2; n++) await expect(guard.call(RANK, query, down)).rejects.toThrow('down');
    clock.advance(60_000);
    const probes: unknown[] = [];
    guard.on('probe', ({ kind, outcome }) => probes.push([kind, outcome]));
    const details = 'No connection established';
    const unsent = () => Promise.reject(Object.assign(new Error(details), { code: 14, details }));
    await expect(guard.call(RANK, query, unsent)).rejects.toThrow(details);
    expect(probes).toEqual([['call', 'ignored']]);
    expect(guard.circuit(RANK).state).toBe('half-open');
  });

  it.each<[string, unknown, string]>([
    ['a gRPC error of the caller', { code: 3, details: 'bad' }, 'caller-error'],
    ['a gRPC failure', { code: 14, details: '' }, 'failure'],
    ['an HTTP error of the caller', { status: 404, message: 'no' }, 'caller-error'],
    ['HTTP 429', { status: 429, message: 'slow down' }, 'overload'],
    ['HTTP 503', { status: 503, message: 'no' }, 'failure'],
    ['a refused connection', Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 'failure'],
    ['a string', 'no', 'failure'],
    ['null', null, 'failure'],
  ])('takes %s for %s', async (_name, thrown, outcome) => {
    const guard = make();
    const call = guard.call(RANK, query, () => {
      throw thrown;
    });
    expect(await call.catch((error: unknown) => error)).toBe(thrown);
    expect(guard.circuit(RANK).snapshot().totals.outcomes).toMatchObject({ [outcome]: 1 });
  });

  it.each<[string, object]>([
    ['a code that gRPC does not have', { code: 99, details: 'odd', metadata: new Metadata() }],
    ['metadata that are none', { code: status.UNAVAILABLE, details: 'odd', metadata: {} }],
    ['neither details nor metadata', { code: status.UNAVAILABLE }],
  ])('counts a failure where the port gives a status with %s', async (_which, odd) => {
    const guard = make();
    const port = { statusOf: () => Object.create(null, Object.getOwnPropertyDescriptors(odd)) };
    await expect(guard.call(RANK, query, down, port)).rejects.toThrow('down');
    const { inFlight, totals } = guard.circuit(RANK).snapshot();
    expect({ inFlight, failure: totals.outcomes.failure }).toEqual({ inFlight: 0, failure: 1 });
    expect(guard.answers()).toEqual([expect.objectContaining({ source: 'none', cause: 'failed', count: 1 })]);
  });

  it('takes the outcome from the port, and reports a port that throws', async () => {
    const guard = make();
    const warnings: string[] = [];
    guard.on('warning', ({ source }) => warnings.push(source));
    await expect(guard.call(RANK, query, down, { outcomeOf: () => 'overload' })).rejects.toThrow('down');
    expect(guard.circuit(RANK).snapshot().totals.outcomes.overload).toBe(1);
    const broken = () => {
      throw new Error('a broken port');
    };
    const port = { statusOf: broken, outcomeOf: broken };
    await expect(guard.call(RANK, query, down, port)).rejects.toThrow('down');
    expect(guard.circuit(RANK).snapshot().totals.outcomes.failure).toBe(1);
    expect(warnings).toHaveLength(2);
  });

  it('answers from the chain: the last good answer of this request, then a default', async () => {
    const fallbacks = new FallbackRegistry().register(RANK, [lastGood(), defaultPrediction({ rank: 0 })]);
    const guard = make({ fallbacks });
    const degraded: string[] = [];
    guard.on('degraded', ({ source, cause }) => degraded.push(`${source} ${cause}`));
    await guard.call(RANK, query, () => ({ rank: 7 }));
    const answer = await guard.call(RANK, query, down);
    expect(answer).toMatchObject({ response: { rank: 7 }, source: 'last-good', cause: 'UNAVAILABLE' });
    expect(answer.label?.get('failsoft-source')).toEqual(['last-good']);
    const other = await guard.call(RANK, { user: 'bob' }, down);
    expect(other).toMatchObject({ response: { rank: 0 }, source: 'default', degraded: true });
    const rejected = await guard.call(RANK, query, down);
    expect(rejected).toMatchObject({ source: 'last-good', cause: 'CIRCUIT_OPEN' });
    expect(degraded).toEqual(['last-good UNAVAILABLE', 'default UNAVAILABLE', 'last-good CIRCUIT_OPEN']);
    const unused = await guard.call(RANK, query, down, { fallback: false }).catch((error: unknown) => error);
    expect(circuitRejectionOf(unused)).toBeDefined();
  });

  it('keeps the answers of different callers apart', async () => {
    const guard = make({ fallbacks: new FallbackRegistry().register(RANK, [lastGood()]) });
    const metadata = (token: string) => ({ metadata: tokenOf(token) });
    await guard.call(RANK, query, () => ({ rank: 7 }), metadata('ada'));
    await expect(guard.call(RANK, query, down, metadata('eve'))).rejects.toThrow('down');
    expect((await guard.call(RANK, query, down, metadata('ada'))).response).toEqual({ rank: 7 });
  });

  it('keeps an answer for the caller that it was given to, also if the metadata are reused meanwhile', async () => {
    const guard = make({ fallbacks: new FallbackRegistry().register(RANK, [lastGood()]) });
    const reused = tokenOf('ada');
    const slow = guard.call(RANK, query, async () => ({ rank: 7 }), { metadata: reused });
    reused.set('authorization', 'eve');
    await slow;
    await expect(guard.call(RANK, query, down, { metadata: reused })).rejects.toThrow('down');
    const answer = await guard.call(RANK, query, down, { metadata: tokenOf('ada') });
    expect(answer.response).toEqual({ rank: 7 });
  });

  it('keeps no answer that was sent with other metadata, also if these are reused meanwhile', async () => {
    const keeper = lastGood<Query, Rank>();
    const guard = make({ fallbacks: new FallbackRegistry().register(RANK, [keeper]) });
    const reused = tokenOf('service');
    await guard.call(
      RANK,
      query,
      (context) => {
        context.onSent(reused);
        reused.set('authorization', 'ada');
        return { rank: 7 };
      },
      { metadata: tokenOf('ada') },
    );
    expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { otherCaller: 1 } });
  });

  it.each<[string, (Metadata | undefined)[], object]>([
    ['reports nothing: its statement that it sends the caller’s metadata', [], { kept: 1 }],
    ['reports the caller’s', [tokenOf('ada')], { kept: 1 }],
    ['reports another token', [tokenOf('service')], { kept: 0, skipped: { otherCaller: 1 } }],
    ['reports that it does not know them', [undefined], { kept: 0, skipped: { unknownCaller: 1 } }],
    ['sends again, and reports the last', [undefined, tokenOf('ada')], { kept: 1 }],
  ])('keeps an answer by the metadata that the function %s', async (_, reports, expected) => {
    const keeper = lastGood<Query, Rank>();
    const guard = make({ fallbacks: new FallbackRegistry().register(RANK, [keeper]) });
    await guard.call(
      RANK,
      query,
      (context) => {
        for (const sent of reports) context.onSent(sent);
        return { rank: 7 };
      },
      { metadata: tokenOf('ada') },
    );
    expect(keeper.stats()).toMatchObject(expected);
  });

  it('replaces an answer that the classifier finds useless, and gives it where no fallback answers', async () => {
    const classify = {
      classifyMessage: (rank: unknown) => ((rank as Rank).rank < 0 ? ('failure' as const) : undefined),
    };
    const fallbacks = new FallbackRegistry().register(RANK, [defaultPrediction({ rank: 0 })]);
    const replaced = await make({ classify, fallbacks }).call(RANK, query, () => ({ rank: -1 }));
    expect(replaced).toMatchObject({ response: { rank: 0 }, cause: 'INVALID_ANSWER' });
    const guard = make({ classify });
    expect((await guard.call(RANK, query, () => ({ rank: -1 }))).response).toEqual({ rank: -1 });
    expect(guard.circuit(RANK).snapshot().totals.outcomes.failure).toBe(1);
  });

  it('ends the real call at the deadline, less the reserve of the fallbacks', async () => {
    const clock = new ManualClock();
    const fallbacks = new FallbackRegistry().register(RANK, [answerWith('late', async () => ({ rank: 1 }))]);
    const guard = make({ clock, fallbacks, fallbackReserveMs: 100, minimumDeadlineMs: 10 });
    let aborted: unknown;
    const call = guard.call(
      RANK,
      query,
      ({ signal, remainingMs }) => {
        expect(remainingMs).toBeGreaterThan(390_000);
        expect(remainingMs).toBeLessThanOrEqual(399_900);
        signal.addEventListener('abort', () => {
          aborted = signal.reason;
        });
        return new Promise<Rank>(() => {});
      },
      { deadline: Date.now() + 400_000 },
    );
    await Promise.resolve();
    clock.advance(399_901);
    expect(await call).toMatchObject({
      response: { rank: 1 },
      source: 'secondary:late',
      cause: 'DEADLINE_EXCEEDED',
    });
    expect(aborted).toMatchObject({ name: 'TimeoutError' });
    expect(guard.circuit(RANK).snapshot().totals.outcomes.failure).toBe(1);
  });

  it('is no evidence against the server where it had less time than it usually takes', async () => {
    const clock = new ManualClock();
    const guard = make({ clock });
    const usually = () => {
      clock.advance(100);
      return { rank: 1 };
    };
    for (let n = 0; n < 21; n++) await guard.call(RANK, query, usually);
    const hurried = (timeMs: number) => {
      const never = () => {
        queueMicrotask(() => clock.advance(timeMs + 1));
        return new Promise<Rank>(() => {});
      };
      const call = guard.call(RANK, query, never, { deadline: Date.now() + timeMs });
      return expect(call).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    };
    for (let n = 0; n < 3; n++) await hurried(50);
    const circuit = guard.circuit(RANK);
    expect(circuit.snapshot().totals.outcomes).toMatchObject({ failure: 0, ignored: 3 });
    await hurried(5_000);
    expect(circuit.snapshot().totals.outcomes).toMatchObject({ failure: 1, ignored: 3 });
    const controller = new AbortController();
    const stopped = guard.call(
      RANK,
      query,
      () => {
        clock.advance(50);
        queueMicrotask(() => controller.abort(new DOMException('too late', 'TimeoutError')));
        return new Promise<Rank>(() => {});
      },
      { signal: controller.signal },
    );
    await expect(stopped).rejects.toThrow('too late');
    expect(circuit.snapshot().totals.outcomes).toMatchObject({ failure: 1, ignored: 4 });
  });

  it('ends at the deadline even if next ignores its signal; a late error is dropped', async () => {
    const guard = make({ defaultDeadlineMs: 20 });
    let late: (error: Error) => void = () => {};
    const never = () =>
      new Promise<Rank>((_, reject) => {
        late = reject;
      });
    await expect(guard.call(RANK, query, never)).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    late(new Error('late'));
    expect(guard.circuit(RANK).snapshot()).toMatchObject({
      inFlight: 0,
      totals: { outcomes: { failure: 1 } },
    });
  });

  it.each([
    ['before', 0],
    ['while', 1],
  ])('is ignored when its caller cancels %s it runs', async (_when, begun) => {
    const guard = make();
    const controller = new AbortController();
    const reason = new Error('I have gone');
    if (begun === 0) controller.abort(reason);
    let runs = 0;
    const call = guard.call(
      RANK,
      query,
      () => {
        runs++;
        return new Promise<Rank>(() => {});
      },
      { signal: controller.signal },
    );
    await Promise.resolve();
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    expect(runs).toBe(begun);
    expect(guard.circuit(RANK).snapshot()).toMatchObject({
      inFlight: 0,
      totals: { outcomes: { failure: 0, ignored: begun } },
    });
  });

  it("takes a TimeoutError of the caller's signal for a missed deadline, and then gives what is there at once", async () => {
    const fallbacks = new FallbackRegistry().register(RANK, [defaultPrediction({ rank: 0 })]);
    const guard = make({ fallbacks, minimumDeadlineMs: 1 });
    const call = guard.call(RANK, query, () => new Promise<Rank>(() => {}), {
      signal: AbortSignal.timeout(20),
    });
    expect(await call).toMatchObject({ source: 'default', cause: 'DEADLINE_EXCEEDED' });
    expect(guard.circuit(RANK).snapshot().totals.outcomes.failure).toBe(1);
  });

  describe('for a caller whose time is over', () => {
    const expired = (fallback: () => Rank | Promise<Rank>) => {
      const fallbacks = new FallbackRegistry().register(RANK, [answerWith('second', fallback)]);
      const signal = AbortSignal.timeout(20);
      return make({ fallbacks, minimumDeadlineMs: 1 }).call(RANK, query, () => new Promise(() => {}), {
        signal,
      });
    };

    it('gives the answer of a promise that has it', async () => {
      expect(await expired(async () => ({ rank: 0 }))).toMatchObject({ response: { rank: 0 } });
    });

    it('does not wait for an answer that comes in a later turn', async () => {
      const later = () =>
        new Promise<Rank>((resolve) => setImmediate(() => setImmediate(resolve, { rank: 0 })));
      await expect(expired(later)).rejects.toMatchObject({ name: 'TimeoutError' });
    });
  });

  it('cancels a waiting fallback with its caller', async () => {
    let seen: AbortSignal | undefined;
    const hang = answerWith<Query, Rank>('hang', ({ signal }) => {
      seen = signal;
      return new Promise(() => {});
    });
    const guard = make({ fallbacks: new FallbackRegistry().register(RANK, [hang]) });
    const controller = new AbortController();
    const call = guard.call(RANK, query, down, { signal: controller.signal });
    await expect.poll(() => seen).toBeDefined();
    controller.abort();
    await expect(call).rejects.toThrow();
    expect(seen?.aborted).toBe(true);
  });

  it('gives the first error where a chain stops', async () => {
    const guard = make({ fallbacks: new FallbackRegistry().register(RANK, [noFallback()]) });
    await expect(guard.call(RANK, query, down)).rejects.toThrow('down');
  });

  it('passes as without a guard: bypassed, unguarded, closed', async () => {
    const guard = make({ methods: [{ match: RANK, guard: false }] });
    expect((await guard.call(RANK, query, () => ({ rank: 1 }))).response).toEqual({ rank: 1 });
    expect((await guard.call({ path: 'x' }, query, () => 1, { bypass: true })).response).toBe(1);
    const expired = guard.call(RANK, query, () => new Promise<Rank>(() => {}), { deadline: Date.now() + 20 });
    await expect(expired).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await guard.close();
    expect((await guard.call({ path: 'x' }, query, () => 1)).response).toBe(1);
    expect(guard.snapshots()).toEqual([]);
  });

  it('weakens the circuit for a call', async () => {
    const guard = make();
    guard.circuit(RANK).isolate();
    expect((await guard.call(RANK, query, () => ({ rank: 1 }), { mode: 'observe' })).response.rank).toBe(1);
    expect((await guard.call(RANK, query, () => ({ rank: 1 }), { mode: 'off' })).response.rank).toBe(1);
    await expect(guard.call(RANK, query, () => ({ rank: 1 }))).rejects.toMatchObject({ code: 14 });
    expect(guard.circuit(RANK).inFlight).toBe(0);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['definition.path', () => make().call({ path: '' }, 1, () => 1)],
    ['definition.path', () => make().call({ path: 'a#b' }, 1, () => 1)],
    ['next', () => Reflect.apply(make().call, make(), [RANK, query, 1])],
    ['signal', () => Reflect.apply(make().call, make(), [RANK, query, () => 1, { signal: 1 }])],
    ['target', () => make().call(RANK, query, () => ({ rank: 1 }), { target: '#' })],
    ['dedline', () => Reflect.apply(make().call, make(), [RANK, query, () => 1, { dedline: 1 }])],
    ['definition', () => make().call({ path: 'x', responseStream: true }, 1, () => 1)],
  ])('names the bad %s', async (field, call) => {
    const error: unknown = await call().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'FAILSOFT_INVALID_ARGUMENT',
      message: expect.stringContaining(field),
    });
  });

  it('keeps the async context of its caller, also in a thousand calls at once', async () => {
    const storage = new AsyncLocalStorage<number>();
    const fallbacks = new FallbackRegistry().register(RANK, [
      answerWith('context', async () => ({ rank: storage.getStore() ?? -1 })),
    ]);
    const guard = make({ fallbacks });
    const ranks = await Promise.all(
      Array.from({ length: 1000 }, (_, n) =>
        storage.run(n, async () => {
          const { response } = await guard.call(RANK, query, async () => {
            await new Promise(setImmediate);
            if (n % 2 === 0) throw new Error('down');
            return { rank: storage.getStore() ?? -1 };
          });
          return [response.rank, storage.getStore()];
        }),
      ),
    );
    expect(ranks).toEqual(ranks.map((_, n) => [n, n]));
    expect(guard.circuit(RANK).inFlight).toBe(0);
  });

  it('has one listener on a signal that many calls share, and none after them', async () => {
    const guard = make();
    const controller = new AbortController();
    const { signal } = controller;
    const seen: string[] = [];
    const calls = Array.from({ length: 50 }, (_, n) =>
      guard
        .call(RANK, query, () => new Promise<Rank>((done) => n === 0 && done({ rank: 1 })), { signal })
        .catch((error: Error) => void seen.push(error.message)),
    );
    await calls[0];
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    controller.abort(new Error('gone'));
    await Promise.all(calls);
    expect(seen).toEqual(Array.from({ length: 49 }, () => 'gone'));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(guard.circuit(RANK).inFlight).toBe(0);
  });

  it('makes no call for a caller that goes while its first message is awaited', async () => {
    const guard = make({
      circuit: { trip: [consecutiveFailures({ failures: 2 })] },
      keyBy: perKey(() => 'k'),
    });
    const controller = new AbortController();
    const requests = (async function* () {
      controller.abort(new Error('gone'));
      yield query;
    })();
    let isCalled = false;
    const next = () => {
      isCalled = true;
      return { rank: 1 };
    };
    const streamed = jsonMethod<Query, Rank>('/shop.Ranker/RankAll', { requestStream: true });
    const called = guard.call<unknown, Rank>(streamed, requests, next, { signal: controller.signal });
    await expect(called).rejects.toThrow('gone');
    expect(isCalled).toBe(false);
    expect(guard.snapshots()).toEqual([]);
  });

  it('reads the rest of a request stream for a fallback', async () => {
    const SUM = jsonMethod<Query, Rank>('/shop.Ranker/Sum', { requestStream: true });
    const all = answerWith<Query, Rank>('all', ({ requests }) => ({ rank: requests.length }));
    const guard = make({ fallbacks: new FallbackRegistry().register(SUM, [all]) });
    let closed = 0;
    const users = async function* () {
      try {
        for (const user of ['a', 'b', 'c']) yield { user };
      } finally {
        closed++;
      }
    };
    const definition = { path: SUM.path, requestStream: true };
    const answer = await guard.call<AsyncIterable<Query>, Rank>(definition, users(), async ({ request }) => {
      for await (const { user } of request) throw new Error(`down at ${user}`);
      return { rank: -1 };
    });
    expect(answer).toMatchObject({ response: { rank: 3 }, source: 'secondary:all' });
    const whole = await guard.call<AsyncIterable<Query>, Rank>(definition, users(), async ({ request }) => {
      let rank = 0;
      for await (const _ of request) rank++;
      return { rank };
    });
    expect(whole).toMatchObject({ response: { rank: 3 }, source: 'primary' });
    expect(closed).toBe(2);
  });

  it.each([
    ['its deadline', 60_000, 600_000],
    ['abandonedAfterMs', 600_000, 60_000],
  ])('waits for the rest of a request stream until %s', async (_until, timeMs, abandonedAfterMs) => {
    const SUM = jsonMethod<Query, Rank>('/shop.Ranker/Sum', { requestStream: true });
    const all = answerWith<Query, Rank>('all', ({ requests }) => ({ rank: requests.length }));
    const clock = new ManualClock();
    const fallbacks = new FallbackRegistry().register(SUM, [all]);
    const guard = make({ clock, fallbacks, abandonedAfterMs, fallbackReserveMs: 0 });
    const users = async function* () {
      yield { user: 'a' };
      await new Promise(() => {});
    };
    let isOver = false;
    const call = guard.call<AsyncIterable<Query>, Rank>(
      { path: SUM.path, requestStream: true },
      users(),
      async ({ request }) => {
        for await (const { user } of request) throw new Error(`down at ${user}`);
        return { rank: -1 };
      },
      { deadline: Date.now() + timeMs },
    );
    const failed = expect(call)
      .rejects.toThrow('down at a')
      .then(() => {
        isOver = true;
      });
    await new Promise(setImmediate);
    clock.advance(50_000);
    await new Promise(setImmediate);
    expect(isOver).toBe(false);
    clock.advance(10_001);
    await failed;
  });
});

describe('guard.execute of a name with more than a circuit', () => {
  it('has its deadline', async () => {
    const guard = make({ methods: [{ match: '/x/features', defaultDeadlineMs: 20 }] });
    const hang = (signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    await expect(guard.execute('/x/features', hang)).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(guard.circuit('/x/features').snapshot().totals.outcomes.failure).toBe(1);
  });

  it('has its fallbacks, and rejects as without them', async () => {
    const fallbacks = new FallbackRegistry().register(RANK, [defaultPrediction({ rank: 0 })]);
    const guard = make({ fallbacks });
    expect(await guard.execute(RANK.path, down)).toEqual({ rank: 0 });
    expect(await guard.execute(RANK.path, down)).toEqual({ rank: 0 });
    const chain = fallbacks.chainFor(RANK.path);
    if (chain) chain.enabled = false;
    const refused = guard.execute(RANK.path, () => 1);
    await expect(refused).rejects.toMatchObject({
      code: 'FAILSOFT_REJECTED',
      cause: { reason: 'CIRCUIT_OPEN' },
    });
  });
});
