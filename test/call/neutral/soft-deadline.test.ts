import { AsyncLocalStorage } from 'node:async_hooks';
import { getEventListeners } from 'node:events';
import { Metadata, status } from '@grpc/grpc-js';
import {
  type CallEvent,
  type ChainOptions,
  defaultPrediction,
  FallbackRegistry,
  type FallbackStrategy,
  type GuardCallOptions,
  type GuardOptions,
  lastGood,
  noFallback,
  type PrimaryContext,
} from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it, vi } from 'vitest';
import { askedStrategy } from '../../support/asked-strategy.js';
import { closedAfterEach } from '../../support/closers.js';
import { createGuard, neverTrip, tripAfter } from '../../support/guard.js';
import { jsonMethod } from '../../support/json-method.js';
import { uncaughtErrors } from '../../support/uncaught.js';

const closers = closedAfterEach();
const AFTER_MS = 50;
const turn = () => new Promise(setImmediate);

interface Rank {
  readonly rank: string;
}
type Strategy = FallbackStrategy<string, Rank>;

const RANK = jsonMethod<string, Rank>('/shop.Ranker/Rank');
const SUM = jsonMethod<string, Rank>('/shop.Ranker/Sum', { requestStream: true });
const DOWN = { code: status.UNAVAILABLE, details: 'down' };
const NOT_FOUND = { code: status.NOT_FOUND, details: 'no such model' };

const fixed = (when?: Strategy['when']): Strategy =>
  defaultPrediction({ rank: 'default' }, when === undefined ? {} : { when });

const asked = (options: Partial<Strategy> = {}) => askedStrategy<string, Rank>((rank) => ({ rank }), options);

/** A real call, which the test ends. */
interface Real {
  readonly context: PrimaryContext<unknown>;
  answer(rank: string): void;
  fail(error: unknown): void;
}

/** A guard with a soft deadline, and a call whose real calls the test ends. */
function setUp(strategies: readonly Strategy[], options: GuardOptions = {}, chain: ChainOptions = {}) {
  const clock = new ManualClock(1_000_000);
  const fallbacks = new FallbackRegistry().register(RANK, strategies, chain);
  const guard = createGuard({
    clock,
    fallbacks,
    fallbackAfterMs: AFTER_MS,
    circuit: neverTrip(),
    ...options,
  });
  closers.push(() => guard.close());
  const events: CallEvent[] = [];
  guard.on('call', (event) => events.push(event));
  const real: Real[] = [];
  const next = (context: PrimaryContext<unknown>) =>
    new Promise<Rank>((resolve, reject) => {
      real.push({ context, answer: (rank) => resolve({ rank }), fail: reject });
    });
  /** Makes a call, and lets it reach `next`. */
  const make = async (callOptions: GuardCallOptions = {}) => {
    const ended = guard.call<string, Rank>(RANK, 'ada', next, callOptions).then(
      ({ response, source, cause }) => ({ rank: response.rank, source, cause }),
      (error: unknown) => ({ error }),
    );
    await turn();
    return { ended };
  };
  const circuit = guard.circuit(RANK);
  const outcomes = () => circuit.snapshot().totals.outcomes;
  return {
    clock,
    guard,
    circuit,
    events,
    real,
    outcomes,
    make,
    left: () => ({ timers: clock.pendingTimers, inFlight: circuit.inFlight }),
  };
}

const SLOW = { rank: 'default', source: 'default', cause: 'slow' };
const PRIMARY = { rank: 'primary', source: 'primary', cause: undefined };
const NOTHING_LEFT = { timers: 0, inFlight: 0 };

describe('a call of guard.call() that is not answered within fallbackAfterMs', () => {
  it('is answered by its chain at that moment; its real call goes on, and counts when it ends', async () => {
    const { clock, guard, circuit, events, real, outcomes, make, left } = setUp([fixed()]);
    const degraded: string[] = [];
    guard.on('degraded', ({ cause }) => degraded.push(cause));
    const { ended } = await make();
    clock.advance(AFTER_MS - 1);
    expect(degraded).toEqual([]);
    clock.advance(1);
    expect(degraded).toEqual(['slow']); // in the turn of the timer
    expect(await ended).toEqual(SLOW);
    expect(real[0]?.context.signal.aborted).toBe(false);
    expect(circuit.inFlight).toBe(1);
    expect(events).toMatchObject([{ outcome: 'slow', status: 0, source: 'default', cause: 'slow' }]);
    clock.advance(20);
    real[0]?.answer('late');
    await turn();
    expect(outcomes()).toMatchObject({ success: 1, failure: 0 });
    expect(events).toHaveLength(1);
    expect(guard.answers()).toMatchObject([{ source: 'default', cause: 'slow', count: 1 }]);
    expect(left()).toEqual(NOTHING_LEFT);
  });

  it('asks nothing and leaves no timer where it is answered in time', async () => {
    const { questions, strategy } = asked();
    const { clock, real, make, left } = setUp([strategy]);
    const { ended } = await make();
    expect(clock.pendingTimers).toBe(1);
    real[0]?.answer('primary');
    expect(await ended).toEqual(PRIMARY);
    expect(left()).toEqual(NOTHING_LEFT);
    clock.advance(AFTER_MS);
    expect(questions).toEqual([]);
  });

  it('has no soft deadline where next answers, or throws, at once', async () => {
    const { clock, guard } = setUp([fixed(['slow'])]);
    const passesTime = () => clock.advance(2 * AFTER_MS);
    const answered = guard.call<string, Rank>(RANK, 'ada', () => {
      passesTime();
      return { rank: 'primary' };
    });
    expect((await answered).response).toEqual({ rank: 'primary' });
    const failed = guard.call<string, Rank>(RANK, 'ada', () => {
      passesTime();
      throw DOWN;
    });
    await expect(failed).rejects.toBe(DOWN);
    expect(clock.pendingTimers).toBe(0);
  });

  it('goes on where no fallback answers', async () => {
    const { questions, strategy } = asked();
    const { clock, guard, real, make, left } = setUp([strategy]);
    const { ended } = await make();
    clock.advance(AFTER_MS);
    questions[0]?.answer();
    await turn();
    real[0]?.answer('primary');
    expect(await ended).toEqual(PRIMARY);
    expect(questions).toHaveLength(1);
    expect(guard.answers()).toMatchObject([{ source: 'primary', count: 1 }]);
    expect(left()).toEqual(NOTHING_LEFT);
  });

  it('asks the chain again where no fallback answered and it then fails', async () => {
    const { questions, strategy } = asked();
    const { clock, real, make } = setUp([strategy]);
    const { ended } = await make();
    clock.advance(AFTER_MS);
    questions[0]?.answer();
    await turn();
    real[0]?.fail(DOWN);
    await turn();
    questions[1]?.answer('small');
    expect(await ended).toMatchObject({ rank: 'small', cause: 'UNAVAILABLE' });
    expect(questions.map(({ kind }) => kind)).toEqual(['slow', 'failed']);
  });

  it.each<[string, (real: Real | undefined) => void, object, string]>([
    ['an answer', (real) => real?.answer('primary'), PRIMARY, 'success'],
    ["a caller's error", (real) => real?.fail(NOT_FOUND), { error: NOT_FOUND }, 'caller-error'],
  ])(
    'gets %s of the primary that comes before the fallback, whose run is ended',
    async (_what, end, expected, outcome) => {
      const { questions, strategy } = asked();
      const { clock, guard, events, real, outcomes, make, left } = setUp([strategy, fixed()]);
      const { ended } = await make();
      clock.advance(AFTER_MS);
      end(real[0]);
      expect(await ended).toEqual(expected);
      expect(questions[0]?.signal.reason).toMatchObject({ name: 'AbortError' });
      questions[0]?.answer('too late');
      await turn();
      expect(outcomes()).toMatchObject({ [outcome]: 1 });
      expect(events).toMatchObject([{ outcome }]);
      expect(guard.answers().filter(({ source }) => source === 'default' || source.includes(':'))).toEqual(
        [],
      );
      expect(left()).toEqual(NOTHING_LEFT);
    },
  );

  it.each([
    ['primary', 'primary'],
    ['secondary:asked', 'fallback'],
  ])(
    'gives and counts one answer where both come in the same turn: that of the %s',
    async (source, first) => {
      const { questions, strategy } = asked();
      const { clock, guard, events, real, outcomes, make, left } = setUp([strategy]);
      const { ended } = await make();
      clock.advance(AFTER_MS);
      if (first === 'primary') real[0]?.answer('both');
      else questions[0]?.answer('both');
      // as many microtasks as the first answer may need to reach its caller
      for (let n = 0; first === 'fallback' && n < 12; n++) await Promise.resolve();
      if (first === 'primary') questions[0]?.answer('both');
      else real[0]?.answer('both');
      expect(await ended).toMatchObject({ rank: 'both', source });
      await turn();
      expect(guard.answers()).toMatchObject([{ source, count: 1 }]);
      expect([events.length, outcomes().success]).toEqual([1, 1]);
      expect(left()).toEqual(NOTHING_LEFT);
    },
  );

  it('agrees with its records, whichever of two answers that are some microtasks apart wins', async () => {
    const winners: string[] = [];
    for (let apart = 0; apart < 12; apart++) {
      const { questions, strategy } = asked();
      const { clock, guard, events, real, make, left } = setUp([strategy]);
      const { ended } = await make();
      clock.advance(AFTER_MS);
      questions[0]?.answer('small');
      for (let n = 0; n < apart; n++) await Promise.resolve();
      real[0]?.answer('primary');
      const given = await ended;
      await turn();
      if ('error' in given) throw given.error;
      const { source } = given;
      winners.push(source);
      expect(guard.answers()).toMatchObject([{ source, count: 1 }]);
      expect(events).toMatchObject([{ source }]);
      expect(left()).toEqual(NOTHING_LEFT);
    }
    expect(new Set(winners)).toEqual(new Set(['primary', 'secondary:asked']));
  });

  it('lets the chain go on where the primary fails meanwhile', async () => {
    const { questions, strategy } = asked();
    const { clock, guard, real, outcomes, make, left } = setUp([strategy]);
    const { ended } = await make();
    clock.advance(AFTER_MS);
    real[0]?.fail(DOWN);
    await turn();
    expect(outcomes().failure).toBe(1);
    expect(questions[0]?.signal.aborted).toBe(false);
    questions[0]?.answer('small');
    expect(await ended).toEqual({ rank: 'small', source: 'secondary:asked', cause: 'slow' });
    expect(questions).toHaveLength(1);
    expect(guard.answers()).toMatchObject([{ source: 'secondary:asked', cause: 'slow', count: 1 }]);
    expect(left()).toEqual(NOTHING_LEFT);
  });

  it('asks the chain for the failure where nothing answers a slow call that fails', async () => {
    const { questions, strategy } = asked({ when: 'slow' });
    const { clock, guard, events, real, make } = setUp([strategy, fixed('failed')]);
    const { ended } = await make();
    clock.advance(AFTER_MS);
    real[0]?.fail(DOWN);
    await turn();
    questions[0]?.fail();
    expect(await ended).toMatchObject({ rank: 'default', cause: 'UNAVAILABLE' });
    expect(guard.answers()).toMatchObject([{ source: 'default', cause: 'failed', count: 1 }]);
    expect(events).toHaveLength(1);
  });

  it("has the primary's own error where it fails and no strategy serves failures", async () => {
    const { questions, strategy } = asked({ when: ['slow'] });
    const { clock, guard, real, make } = setUp([strategy]);
    const { ended } = await make();
    clock.advance(AFTER_MS);
    real[0]?.fail(DOWN);
    await turn();
    questions[0]?.answer();
    expect(await ended).toEqual({ error: DOWN });
    expect(guard.answers()).toMatchObject([{ source: 'none', cause: 'failed', count: 1 }]);
  });

  it('replaces a useless answer as a failed one', async () => {
    const { questions, strategy } = asked({ when: ['slow'] });
    const classifyMessage = () => 'failure' as const;
    const { clock, real, outcomes, make } = setUp([strategy, fixed('failed')], {
      classify: { classifyMessage },
    });
    const { ended } = await make();
    clock.advance(AFTER_MS);
    real[0]?.answer('useless');
    expect(await ended).toMatchObject({ rank: 'default', cause: 'INVALID_ANSWER' });
    expect(questions[0]?.signal.aborted).toBe(true);
    expect(outcomes().failure).toBe(1);
  });

  it('opens the circuit by its late failures, though no caller saw one', async () => {
    const { clock, circuit, real, make } = setUp([fixed()], { circuit: tripAfter(2) });
    for (const n of [0, 1]) {
      const { ended } = await make();
      clock.advance(AFTER_MS);
      expect(await ended).toEqual(SLOW);
      real[n]?.fail(DOWN);
      await turn();
    }
    expect(circuit.state).toBe('open');
  });

  it('has its late answer kept, under the metadata that were sent', async () => {
    const { clock, circuit, real, make } = setUp([lastGood(), fixed()]);
    const metadata = new Metadata();
    metadata.set('authorization', 'ada');
    const slow = await make({ metadata });
    clock.advance(AFTER_MS);
    expect(await slow.ended).toEqual(SLOW);
    real[0]?.context.onSent(metadata);
    real[0]?.answer('late');
    await turn();
    using _held = circuit.isolate();
    expect(await (await make({ metadata })).ended).toMatchObject({ rank: 'late', cause: 'ISOLATED' });
    expect(await (await make()).ended).toMatchObject({ rank: 'default' });
  });

  it('has no soft deadline where it is rejected', async () => {
    const { questions, strategy } = asked();
    const { clock, circuit, make } = setUp([strategy]);
    using _held = circuit.isolate();
    const { ended } = await make();
    expect(questions.map(({ kind }) => kind)).toEqual(['rejected']);
    clock.advance(10 * AFTER_MS);
    expect(questions).toHaveLength(1);
    questions[0]?.answer('small');
    expect(await ended).toMatchObject({ rank: 'small', cause: 'ISOLATED' });
  });

  it.each<[string, GuardCallOptions, object | undefined]>([
    ['in mode observe', { mode: 'observe' }, SLOW],
    ['in mode off', { mode: 'off' }, SLOW],
    ['not where it is bypassed', { bypass: true }, undefined],
    ['not where it may have no fallback', { fallback: false }, undefined],
  ])('is answered %s', async (_where, options, expected) => {
    const { clock, real, make, left } = setUp([fixed()]);
    const { ended } = await make(options);
    clock.advance(AFTER_MS);
    await turn();
    real[0]?.answer('primary');
    expect(await ended).toEqual(expected ?? PRIMARY);
    await turn();
    expect(left()).toEqual(NOTHING_LEFT);
  });

  it('is not asked for by strategies that do not serve slow calls, and stops at noFallback()', async () => {
    for (const strategies of [[fixed(['rejected', 'failed'])], [noFallback({ when: 'slow' }), fixed()]]) {
      const { clock, real, make } = setUp(strategies);
      const { ended } = await make();
      expect(clock.pendingTimers).toBe(0);
      real[0]?.fail(DOWN);
      expect(await ended).toMatchObject({ rank: 'default', cause: 'UNAVAILABLE' });
    }
  });

  it("asks in its caller's async context", async () => {
    const tenant = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const answer = () => {
      seen.push(tenant.getStore());
      return { message: { rank: 'default' }, source: 'default' };
    };
    const fallbacks = new FallbackRegistry().register(RANK, [{ name: 'default', answer }]);
    const guard = createGuard({ fallbacks, fallbackAfterMs: 5 });
    closers.push(() => guard.close());
    const call = () => guard.call<string, Rank>(RANK, 'ada', () => new Promise(() => {}));
    await Promise.all(['a', 'b'].map((name) => tenant.run(name, call)));
    expect(seen).toEqual(['a', 'b']);
  });
});

describe('the caller of a slow call', () => {
  const gone = new Error('I have gone');

  it('cancels both sides while a fallback is asked', async () => {
    const { questions, strategy } = asked();
    const { clock, guard, events, real, outcomes, make, left } = setUp([strategy]);
    const controller = new AbortController();
    const { ended } = await make({ signal: controller.signal });
    clock.advance(AFTER_MS);
    controller.abort(gone);
    expect(await ended).toEqual({ error: gone });
    expect(questions[0]?.signal.reason).toMatchObject({ name: 'AbortError' });
    expect(real[0]?.context.signal.reason).toBe(gone);
    expect(outcomes().ignored).toBe(1);
    expect(events).toMatchObject([
      { outcome: 'slow', status: status.CANCELLED, source: 'none', cause: 'slow' },
    ]);
    expect(guard.answers()).toEqual([]);
    expect(left()).toEqual(NOTHING_LEFT);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  it('ends the run of the chain that outlived the real call, which is not asked again', async () => {
    const { questions, strategy } = asked();
    const { clock, events, real, outcomes, make } = setUp([strategy]);
    const controller = new AbortController();
    const { ended } = await make({ signal: controller.signal });
    clock.advance(AFTER_MS);
    real[0]?.fail(DOWN);
    await turn();
    controller.abort(gone);
    expect(await ended).toEqual({ error: gone });
    expect(questions).toHaveLength(1);
    expect(outcomes()).toMatchObject({ failure: 1, ignored: 0 });
    expect(events).toMatchObject([{ outcome: 'slow', status: status.CANCELLED }]);
  });

  it('cancels the real call where no fallback has answered', async () => {
    const { questions, strategy } = asked();
    const { clock, events, outcomes, make } = setUp([strategy]);
    const controller = new AbortController();
    const { ended } = await make({ signal: controller.signal });
    clock.advance(AFTER_MS);
    questions[0]?.answer();
    await turn();
    controller.abort(gone);
    expect(await ended).toEqual({ error: gone });
    expect(outcomes().ignored).toBe(1);
    expect(events).toMatchObject([{ outcome: 'ignored', status: status.CANCELLED, cause: null }]);
  });

  it('no longer reaches the real call once it has its answer, and leaves no listener', async () => {
    const { clock, guard, real, outcomes, make } = setUp([fixed()]);
    const controller = new AbortController();
    guard.on('degraded', () => controller.abort(gone)); // at the first moment that user code knows of the answer
    const { ended } = await make({ signal: controller.signal });
    clock.advance(AFTER_MS);
    expect(await ended).toEqual(SLOW);
    expect(real[0]?.context.signal.aborted).toBe(false);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    real[0]?.fail(DOWN);
    await turn();
    expect(outcomes()).toMatchObject({ failure: 1, ignored: 0 });
  });

  it('has a deadline of its own: strategies that answer at once are then asked', async () => {
    const { questions, strategy } = asked({ when: ['slow'] });
    const { clock, outcomes, make, left } = setUp([strategy, fixed('failed')]);
    const controller = new AbortController();
    const { ended } = await make({ signal: controller.signal });
    clock.advance(AFTER_MS);
    controller.abort(new DOMException('too long', 'TimeoutError'));
    expect(await ended).toMatchObject({ rank: 'default', cause: 'DEADLINE_EXCEEDED' });
    expect(questions[0]?.signal.aborted).toBe(true);
    expect(outcomes().failure).toBe(1);
    expect(left()).toEqual(NOTHING_LEFT);
  });
});

describe('the deadline of a slow call', () => {
  const LONG_MS = 400_000;

  it('ends it as any failed call', async () => {
    const { questions, strategy } = asked({ when: ['slow'] });
    const { clock, outcomes, real, make } = setUp([strategy, fixed('failed')]);
    const { ended } = await make({ deadline: Date.now() + LONG_MS });
    clock.advance(AFTER_MS);
    clock.advance(LONG_MS);
    expect(await ended).toMatchObject({ rank: 'default', cause: 'DEADLINE_EXCEEDED' });
    expect(questions[0]?.signal.aborted).toBe(true);
    expect(real[0]?.context.signal.reason).toMatchObject({ name: 'TimeoutError' });
    expect(outcomes().failure).toBe(1);
  });

  it('comes before the soft deadline where it is shorter', async () => {
    const { questions, strategy } = asked();
    const { clock, make } = setUp([strategy], { fallbackAfterMs: 2 * LONG_MS });
    const { ended } = await make({ deadline: Date.now() + LONG_MS });
    clock.advance(3 * LONG_MS); // the timers of both run in a row
    await turn();
    expect(questions.map(({ kind }) => kind)).toEqual(['failed']);
    questions[0]?.answer('small');
    expect(await ended).toMatchObject({ rank: 'small', cause: 'DEADLINE_EXCEEDED' });
  });

  it('ends a late real call', async () => {
    const { clock, outcomes, real, make, left } = setUp([fixed()]);
    const { ended } = await make({ deadline: Date.now() + LONG_MS });
    clock.advance(AFTER_MS);
    expect(await ended).toEqual(SLOW);
    clock.advance(LONG_MS);
    await turn();
    expect(real[0]?.context.signal.reason).toMatchObject({ name: 'TimeoutError' });
    expect(outcomes().failure).toBe(1);
    expect(left()).toEqual(NOTHING_LEFT);
  });

  it('is abandonedAfterMs for a late real call that has none', async () => {
    const { clock, outcomes, real, make, left } = setUp([fixed()], { abandonedAfterMs: 500 });
    const { ended } = await make();
    clock.advance(AFTER_MS);
    expect(await ended).toEqual(SLOW);
    clock.advance(499);
    await turn();
    expect(left()).toEqual({ timers: 1, inFlight: 1 });
    clock.advance(1);
    await turn();
    expect(real[0]?.context.signal.reason).toMatchObject({ name: 'TimeoutError' });
    expect(outcomes().failure).toBe(1);
    expect(left()).toEqual(NOTHING_LEFT);
  });
});

describe('a late real call', () => {
  it.each<[string, (real: Real | undefined) => void]>([
    ['it fails', (real) => real?.fail(new Error('late'))],
    ['it answers', (real) => real?.answer('late')],
  ])('leaves no error uncaught, and nothing behind: %s', async (_how, end) => {
    const errors = uncaughtErrors(closers);
    const { clock, real, make, left } = setUp([fixed()]);
    const { ended } = await make();
    clock.advance(AFTER_MS);
    await ended;
    end(real[0]);
    await turn();
    expect({ errors, ...left() }).toEqual({ errors: [], ...NOTHING_LEFT });
  });

  it('reports a port that throws', async () => {
    const errors = uncaughtErrors(closers);
    const { clock, guard, real, make, left } = setUp([fixed()]);
    const warnings: string[] = [];
    guard.on('warning', ({ source }) => warnings.push(source));
    const broken = () => {
      throw new Error('a broken port');
    };
    const { ended } = await make({ statusOf: broken, outcomeOf: broken });
    clock.advance(AFTER_MS);
    await ended;
    real[0]?.fail(DOWN);
    await turn();
    expect(warnings).toEqual([expect.stringContaining('the port'), expect.stringContaining('the port')]);
    expect({ errors, ...left() }).toEqual({ errors: [], ...NOTHING_LEFT });
  });

  it.each<[string, string | undefined, object, string[]]>([
    ['reports it to the guard', 'small', { rank: 'small' }, ['a late end of /shop.Ranker/Rank']],
    [
      'gives it to the caller',
      undefined,
      { error: expect.objectContaining({ message: 'a broken clock' }) },
      [],
    ],
  ])('whose end throws an error %s, by the answer of the chain', async (_to, answer, expected, reported) => {
    const errors = uncaughtErrors(closers);
    const { questions, strategy } = asked();
    const { clock, guard, real, make } = setUp([strategy]);
    const warnings: string[] = [];
    guard.on('warning', ({ source }) => warnings.push(source));
    const { ended } = await make();
    clock.advance(AFTER_MS);
    const now = vi.spyOn(clock, 'now').mockImplementation(() => {
      throw new Error('a broken clock');
    });
    real[0]?.answer('late');
    await turn();
    now.mockRestore();
    questions[0]?.answer(answer);
    expect(await ended).toMatchObject(expected);
    await turn();
    expect({ warnings, errors }).toEqual({ warnings: reported, errors: [] });
  });

  it('ends as without a guard that was closed meanwhile', async () => {
    const errors = uncaughtErrors(closers);
    const { clock, guard, real, make } = setUp([fixed()]);
    const late = await make();
    const slow = await make();
    clock.advance(AFTER_MS);
    await Promise.all([late.ended, slow.ended]);
    await guard.close();
    real[0]?.answer('late');
    real[1]?.fail(DOWN);
    await turn();
    expect({ errors, timers: clock.pendingTimers }).toEqual({ errors: [], timers: 0 });
  });
});

describe('slow calls of guard.call() whose strategy makes a call', () => {
  const calling: Strategy = {
    name: 'secondary:small',
    waits: true,
    answer: async () => ({ message: { rank: 'small' }, source: 'secondary:small' }),
  };

  it.each([
    [undefined, 60, 16 - 1], // ten at first, and 59 tenths
    [1, 40, 40],
    [0, 40, 0],
  ])('are as many as slowShare %s allows', async (slowShare, count, expected) => {
    const chain = slowShare === undefined ? {} : { slowShare };
    const { clock, guard, real, make } = setUp([calling, fixed()], {}, chain);
    let small = 0;
    for (let n = 0; n < count; n++) {
      const { ended } = await make();
      clock.advance(AFTER_MS);
      const given = await ended;
      if ('rank' in given && given.rank === 'small') small++;
      real[n]?.answer('late');
    }
    expect(small).toBe(expected);
    const capped = guard.attempts().filter(({ result }) => result === 'capped');
    expect(capped.reduce((sum, { count: n }) => sum + n, 0)).toBe(count - expected);
  });
});

describe('a soft deadline of guard.call() by percentile', () => {
  it('begins after twenty answers', async () => {
    const { clock, real, make } = setUp([fixed()], { fallbackAfterMs: { percentile: 90, factor: 2 } });
    const answerAfter = async (ms: number) => {
      const { ended } = await make();
      clock.advance(ms);
      real.at(-1)?.answer('primary');
      return ended;
    };
    for (let n = 0; n < 20; n++) expect(await answerAfter(20)).toEqual(PRIMARY);
    expect(await answerAfter(39)).toEqual(PRIMARY);
    expect(await answerAfter(200)).toEqual(SLOW);
  });
});

describe('a request stream of guard.call()', () => {
  function streams(strategy: Strategy) {
    const clock = new ManualClock();
    const fallbacks = new FallbackRegistry().register(SUM, [strategy]);
    const guard = createGuard({ clock, fallbacks, fallbackAfterMs: AFTER_MS, circuit: neverTrip() });
    closers.push(() => guard.close());
    const make = (
      requests: AsyncIterable<string>,
      next: (context: PrimaryContext<AsyncIterable<string>>) => Promise<Rank>,
    ) => guard.call<AsyncIterable<string>, Rank>({ path: SUM.path, requestStream: true }, requests, next);
    return { clock, make, snapshot: () => guard.circuit(SUM).snapshot() };
  }
  async function* three() {
    yield* ['a', 'b', 'c'];
  }
  /** A real call that reads everything, and whose answer the test gives. */
  function reading() {
    const real = { isRead: false, answer: (_rank: Rank): void => {} };
    const next = async ({ request }: PrimaryContext<AsyncIterable<string>>) => {
      for await (const _ of request);
      real.isRead = true;
      return new Promise<Rank>((resolve) => {
        real.answer = resolve;
      });
    };
    return { real, next };
  }

  it('is slow only after its end', async () => {
    const { clock, make, snapshot } = streams(fixed());
    const { real, next } = reading();
    let send: (() => void) | undefined;
    const requests = (async function* () {
      yield 'a';
      await new Promise<void>((resolve) => {
        send = resolve;
      });
    })();
    const ended = make(requests, next);
    while (send === undefined) await turn();
    clock.advance(10 * AFTER_MS);
    await turn();
    expect(clock.pendingTimers).toBe(0);
    send();
    while (!real.isRead) await turn();
    clock.advance(AFTER_MS);
    expect(await ended).toMatchObject({ response: { rank: 'default' }, cause: 'slow' });
    real.answer({ rank: 'late' });
    await turn();
    expect(snapshot()).toMatchObject({ inFlight: 0, totals: { outcomes: { success: 1 } } });
    expect(clock.pendingTimers).toBe(0);
  });

  it('has no soft deadline where its real call ended before, though a fallback reads the rest', async () => {
    const { clock, make } = streams(fixed());
    const ended = make(three(), async ({ request }) => {
      for await (const _ of request) throw DOWN;
      return { rank: 'none' };
    });
    expect(await ended).toMatchObject({ response: { rank: 'default' }, cause: 'UNAVAILABLE' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('gives the answer of its real call at once, whenever that comes around the soft deadline', async () => {
    for (let apart = 0; apart < 12; apart++) {
      const { questions, strategy } = asked();
      const { clock, make } = streams(strategy);
      const { real, next } = reading();
      const ended = make(three(), next);
      while (!real.isRead) await turn();
      real.answer({ rank: 'primary' }); // it reaches the guard some microtasks later
      for (let n = 0; n < apart; n++) await Promise.resolve();
      clock.advance(AFTER_MS);
      await turn();
      expect(await Promise.race([ended, turn()]), `${apart} microtasks`).toMatchObject({ source: 'primary' });
      expect(questions.map(({ signal }) => signal.aborted)).not.toContain(false);
      expect(clock.pendingTimers).toBe(0);
    }
  });
});
