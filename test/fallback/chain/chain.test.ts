import { status } from '@grpc/grpc-js';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { describeAttempts } from '../../../src/fallback/chain/attempts.js';
import { type ChainOptions, FallbackChain } from '../../../src/fallback/chain/chain.js';
import { defaultPrediction } from '../../../src/fallback/default-prediction.js';
import { noFallback } from '../../../src/fallback/no-fallback.js';
import type { FallbackContext, FallbackStrategy } from '../../../src/fallback/strategy.js';
import { deferredPromise, FAILED, FakeCall, METHOD, primaryAnswer, REJECTED, response } from '../support.js';

type Answering = FallbackStrategy<unknown, unknown>['answer'];

function strategy(name: string, answer: Answering, rest: Partial<FallbackStrategy<unknown, unknown>> = {}) {
  return { name, answer, ...rest };
}

const gives = (name: string, rest: Partial<FallbackStrategy<unknown, unknown>> = {}) =>
  strategy(name, () => ({ message: response({ id: name }), source: name }), rest);
const declines = (name: string) => strategy(name, () => undefined);
const throws = (name: string, error: unknown = new Error('broken')) =>
  strategy(name, () => {
    throw error;
  });
const hangs = (name: string, rest: Partial<FallbackStrategy<unknown, unknown>> = {}) =>
  strategy(name, () => new Promise<never>(() => undefined), rest);

function chain(strategies: FallbackStrategy<unknown, unknown>[], options?: ChainOptions) {
  return new FallbackChain(METHOD, strategies, options);
}

async function story(made: FallbackChain, call = new FakeCall()) {
  const { answer, attempts } = await made.run(call);
  return [...attempts.map((attempt) => `${attempt.strategy} ${attempt.result}`), answer?.source ?? 'none'];
}

describe('order', () => {
  it.each([
    ['the first that answers', [gives('a'), gives('b')], ['a']],
    ['after one that declines', [declines('a'), gives('b')], ['a declined', 'b']],
    ['after one that throws', [throws('a'), gives('b')], ['a failed', 'b']],
    [
      'after one that rejects',
      [strategy('a', () => Promise.reject(new Error('no'))), gives('b')],
      ['a failed', 'b'],
    ],
    [
      'after one that declines later',
      [strategy('a', async () => undefined), gives('b')],
      ['a declined', 'b'],
    ],
    ['one that answers later', [strategy('a', async () => ({ message: response(), source: 'a' }))], ['a']],
    ['nobody', [declines('a'), throws('b')], ['a declined', 'b failed', 'none']],
    ['nobody registered', [], ['none']],
    ['a switched-off one is passed over', [gives('a', { enabled: false }), gives('b')], ['a disabled', 'b']],
    [
      'noFallback() ends it',
      [declines('a'), noFallback(), gives('b')],
      ['a declined', 'no-fallback stopped', 'none'],
    ],
    ['noFallback() for failures only', [noFallback({ when: 'failed' }), gives('b')], ['b']],
  ])('%s', async (_, strategies, expected) => {
    expect(await story(chain(strategies))).toEqual(expected);
  });

  it.each([
    ['undefined source', { message: response() }],
    ['a string', 'hello'],
    ['null', null],
    ['a message that is a string', { message: 'hello', source: 'x' }],
    ['a message that is an array', { message: [], source: 'x' }],
    ['a message of another type', { message: { ready: true }, source: 'x' }],
    ['a field of the wrong type', { message: { ...response(), parameters: 5 }, source: 'x' }],
    ['a promise of a message', { message: Promise.resolve(response()), source: 'x' }],
  ])('takes %s for a failed attempt, at once and later', async (_, answer) => {
    // A strategy in JavaScript can answer anything.
    const loose = (given: unknown): FallbackStrategy<unknown, unknown> =>
      Object.create({ name: 'a', answer: () => given });
    expect(await story(chain([loose(answer), gives('b')]))).toEqual(['a failed', 'b']);
    expect(await story(chain([loose(Promise.resolve(answer)), gives('b')]))).toEqual(['a failed', 'b']);
  });

  it.each([
    ['null', null],
    ['a string', 'hello'],
    ['no source', { message: response() }],
  ])('takes %s from one that says that it decodes by itself for a failed attempt, too', async (_, answer) => {
    const loose = (given: unknown): FallbackStrategy<unknown, unknown> =>
      Object.create({ name: 'a', decoded: true, answer: () => given });
    expect(await story(chain([loose(answer), gives('b')]))).toEqual(['a failed', 'b']);
    const made = chain([loose(Promise.resolve(answer)), gives('b')]);
    expect(await story(made)).toEqual(['a failed', 'b']);
    expect(made.waiting).toBe(0);
  });

  it.each([
    ['cannot be read', { get: () => JSON.parse('{') }],
    ['throws', { value: () => JSON.parse('{') }],
  ])('takes an answer whose `then` %s for a failed attempt, and holds no place for it', async (_, then) => {
    const odd = Object.defineProperty({}, 'then', then);
    const loose: FallbackStrategy<unknown, unknown> = Object.create({ name: 'a', answer: () => odd });
    const made = chain([loose, gives('b')]);
    expect(await story(made)).toEqual(['a failed', 'b']);
    expect(made.waiting).toBe(0);
  });

  it('gives each strategy the attempts before it', async () => {
    const seen: string[] = [];
    const looks = strategy('c', (context) => {
      seen.push(describeAttempts(context.attempts));
      return undefined;
    });
    await story(chain([declines('a'), throws('b'), looks]));
    expect(seen).toEqual(['a declined; b failed (broken)']);
  });

  it('serves the causes that a strategy names', async () => {
    const made = chain([gives('a', { when: 'failed' }), gives('b', { when: 'rejected' })]);
    expect(await story(made, new FakeCall({ cause: REJECTED }))).toEqual(['b']);
    expect(await story(made, new FakeCall({ cause: FAILED }))).toEqual(['a']);
  });
});

describe('the cost of a synchronous answer', () => {
  it('no promise, no timer, no listener', () => {
    const call = new FakeCall({ leftMs: 100 });
    const outcome = chain([throws('a'), declines('b'), gives('c', { timeoutMs: 10, budgetShare: 0.5 })]).run(
      call,
    );
    expect(outcome).not.toBeInstanceOf(Promise);
    expect(outcome).toMatchObject({ answer: { source: 'c' } });
    expect(call.clock.pendingTimers).toBe(0);
    expect(call.listeners.size).toBe(0);
  });

  it('a copy of its own for each caller', async () => {
    const shared = response({ id: 'shared' });
    const made = chain([strategy('a', () => ({ message: shared, source: 'a' }))]);
    const first = (await made.run(new FakeCall())).answer?.message;
    expect(first).toEqual(shared);
    expect(first).not.toBe(shared);
  });
});

describe('time', () => {
  it.each([
    ['timeoutMs', { timeoutMs: 30 }, 30],
    ['budgetShare', { budgetShare: 0.25 }, 50],
    ['the smaller of the two', { timeoutMs: 70, budgetShare: 0.25 }, 50],
  ])('ends a strategy that hangs, by %s', async (_, limits, afterMs) => {
    const call = new FakeCall({ leftMs: 200 });
    let signal: AbortSignal | undefined;
    const hung = strategy(
      'a',
      (context) => {
        signal = context.signal;
        expect(context.budgetMs).toBe(afterMs);
        return new Promise<never>(() => undefined);
      },
      limits,
    );
    const told = story(chain([hung, gives('b')]), call);
    call.clock.advance(afterMs - 1);
    expect(signal?.aborted).toBe(false);
    call.clock.advance(1);
    expect(signal?.reason).toMatchObject({ name: 'TimeoutError' });
    expect(await told).toEqual(['a timed-out', 'b']);
    expect(call.clock.pendingTimers).toBe(0);
    expect(call.listeners.size).toBe(0);
  });

  it.each([
    ['5 ms for the next strategy', 200, [gives('b')], 195],
    ['a tenth, where that is less', 20, [gives('b')], 18],
    ['nothing for strategies of another cause', 200, [strategy('b', () => undefined, { when: 'slow' })], 200],
    ['nothing without a deadline', Number.POSITIVE_INFINITY, [gives('b')], Number.POSITIVE_INFINITY],
  ])('leaves %s', async (_, leftMs, behind, budgetMs) => {
    const budgets: number[] = [];
    const first = strategy('a', (context) => {
      budgets.push(context.budgetMs);
      return undefined;
    });
    await story(chain([first, ...behind]), new FakeCall({ leftMs }));
    expect(budgets).toEqual([budgetMs]);
  });

  it('gives a strategy the same budget at each read', async () => {
    const call = new FakeCall({ leftMs: 200 });
    const budgets: number[] = [];
    const later = deferredPromise<undefined>();
    const reads = strategy(
      'a',
      async (context) => {
        budgets.push(context.budgetMs);
        await later.promise;
        budgets.push(context.budgetMs);
        return undefined;
      },
      { budgetShare: 0.5 },
    );
    const told = story(chain([reads]), call);
    call.clock.advance(80);
    later.resolve(undefined);
    await told;
    expect(budgets).toEqual([100, 100]);
  });

  it('answers a call whose deadline passed during a strategy, by a later strategy that answers at once', async () => {
    const call = new FakeCall({ leftMs: 200 });
    const told = story(chain([hangs('a'), hangs('b'), gives('c')]), call);
    call.clock.advance(200);
    call.abort('deadline');
    expect(await told).toEqual(['a timed-out', 'b timed-out', 'c']);
  });

  it('asks no strategy that waits when no time is left', async () => {
    const asked: string[] = [];
    const declared = strategy('a', async () => void asked.push('a'), { waits: true });
    let signal: AbortSignal | undefined;
    const undeclared = strategy('b', async (context) => {
      signal = context.signal;
      throw new Error('late');
    });
    const call = new FakeCall({ leftMs: 0 });
    const outcome = chain([declared, undeclared, gives('c')]).run(call);
    expect(outcome).toMatchObject({
      answer: { source: 'c' },
      attempts: [
        { strategy: 'a', result: 'timed-out' },
        { strategy: 'b', result: 'timed-out' },
      ],
    });
    expect(asked).toEqual([]);
    expect(signal?.aborted).toBe(true);
  });

  it('asks no further strategy once the caller cancelled', async () => {
    const call = new FakeCall();
    let signal: AbortSignal | undefined;
    const first = strategy('a', (context) => {
      signal = context.signal;
      return new Promise<never>(() => undefined);
    });
    const told = story(chain([first, gives('b')]), call);
    call.abort('cancelled');
    expect(await told).toEqual(['a failed', 'none']);
    expect(signal?.reason).toMatchObject({ name: 'AbortError' });
  });

  it('gives a signal read after the end as aborted', async () => {
    const call = new FakeCall();
    let context: FallbackContext<unknown> | undefined;
    const first = strategy('a', (given) => {
      context = given;
      return new Promise<never>(() => undefined);
    });
    const told = story(chain([first]), call);
    call.abort('deadline');
    await told;
    expect(context?.signal.aborted).toBe(true);
  });

  it('drops an answer and an error that come late', async () => {
    const slow = deferredPromise<undefined>();
    const call = new FakeCall({ leftMs: 100 });
    const told = story(chain([strategy('a', () => slow.promise, { timeoutMs: 10 }), gives('b')]), call);
    call.clock.advance(10);
    slow.reject(new Error('too late'));
    expect(await told).toEqual(['a timed-out', 'b']);
  });
});

describe('the cap', () => {
  it('skips strategies that wait, asks the others, and gives places back', async () => {
    const clock = new ManualClock(0);
    const slow = deferredPromise<undefined>();
    let asked = 0;
    const waiting = strategy(
      'a',
      () => {
        asked++;
        return slow.promise;
      },
      { waits: true, timeoutMs: 50 },
    );
    const made = chain([waiting, gives('b')], { maxConcurrent: 2 });
    const first = [1, 2, 3].map(() => story(made, new FakeCall({ clock })));
    expect(made.waiting).toBe(2);
    expect(asked).toBe(2);
    slow.resolve(undefined);
    expect(await Promise.all(first)).toEqual([
      ['a declined', 'b'],
      ['a declined', 'b'],
      ['a capped', 'b'],
    ]);
    expect(made.waiting).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('aborts a waiting strategy over it that does not declare that it waits', async () => {
    let signal: AbortSignal | undefined;
    const undeclared = strategy('a', async (context) => {
      signal = context.signal;
      return undefined;
    });
    const made = chain([undeclared, gives('b')], { maxConcurrent: 0 });
    expect(await story(made)).toEqual(['a capped', 'b']);
    expect(signal?.aborted).toBe(true);
  });
});

describe('switches', () => {
  it('turn a strategy and the chain off and on while running', async () => {
    const a: FallbackStrategy<unknown, unknown> = gives('a');
    const made = chain([a]);
    expect(made.serves('failed')).toBe(true);
    a.enabled = false;
    expect(await story(made)).toEqual(['a disabled', 'none']);
    expect(made.serves('failed')).toBe(false);
    a.enabled = true;
    made.enabled = false;
    expect(await story(made)).toEqual(['none']);
    expect(made.serves('failed')).toBe(false);
    made.enabled = true;
    expect(await story(made)).toEqual(['a']);
  });

  it('a disabled chain asks no further strategy, also for a waiting call', async () => {
    const slow = deferredPromise<undefined>();
    const made = chain([strategy('a', () => slow.promise), gives('b')]);
    const told = story(made);
    made.enabled = false;
    slow.resolve(undefined);
    expect(await told).toEqual(['a declined', 'none']);
  });

  it.each([
    ['a value', [defaultPrediction(response()), noFallback()], false],
    ['a function', [defaultPrediction((_: unknown) => response())], true],
    ['one of several', [defaultPrediction(response()), gives('a')], true],
  ])('knows whether the request has to be remembered: %s', (_, strategies, reads) => {
    expect(chain(strategies).readsCall).toBe(reads);
  });

  it.each([
    ['nothing', [], false, false],
    ['rejections only', [gives('a', { when: 'rejected' })], true, false],
    ['noFallback() first', [noFallback(), gives('a')], false, false],
    ['noFallback() first for failures', [noFallback({ when: 'failed' }), gives('a')], true, false],
    ['noFallback() last', [gives('a'), noFallback()], true, true],
  ])('serves: %s', (_, strategies, rejected, failed) => {
    const made = chain(strategies);
    expect([made.serves('rejected'), made.serves('failed')]).toEqual([rejected, failed]);
  });

  it('keeps only while on, and never throws into the call', () => {
    const kept: string[] = [];
    const keeper: FallbackStrategy<unknown, unknown> = {
      ...declines('a'),
      keep: (answer) => void kept.push(answer.circuitKey),
    };
    const broken: FallbackStrategy<unknown, unknown> = {
      ...declines('b'),
      keep: () => {
        throw new Error('full');
      },
    };
    const made = chain([broken, keeper]);
    const answer = primaryAnswer({ circuitKey: 'k' });
    expect(made.keeps).toBe(true);
    made.keep(answer);
    expect(kept).toEqual(['k']);
    expect(made.keepFailures).toBe(1);
    keeper.enabled = false;
    made.keep(answer);
    expect(kept).toEqual(['k']);
    made.enabled = false;
    expect(made.keeps).toBe(false);
    expect(chain([declines('a')]).keeps).toBe(false);
  });
});

describe('a strategy that changes its context', () => {
  const push = strategy('pushes', ({ attempts }) => {
    Reflect.apply(Array.prototype.push, attempts, [{}]);
    return undefined;
  });
  const rename = strategy('renames', ({ attempts }) => {
    for (const attempt of attempts) Reflect.set(attempt, 'strategy', undefined);
    return undefined;
  });

  it('can add and change no attempt', async () => {
    const { answer, attempts } = await chain([declines('a'), push, rename, push]).run(new FakeCall());
    expect(answer).toBeUndefined();
    expect(attempts.map((attempt) => `${attempt.strategy} ${attempt.result}`)).toEqual([
      'a declined',
      'pushes failed',
      'renames declined',
      'pushes failed',
    ]);
    expect(describeAttempts(attempts)).toMatch(/^a declined; pushes failed \(Cannot add property 1, .*/);
  });

  it('cannot add an attempt to the empty list that all calls share', async () => {
    for (let call = 0; call < 2; call++)
      expect(await chain([push]).run(new FakeCall())).toMatchObject({ attempts: [{ strategy: 'pushes' }] });
  });
});

describe('describeAttempts', () => {
  it.each([
    ['none', [], ''],
    ['plain', [{ strategy: 'a', result: 'declined' as const }], 'a declined'],
    [
      'a gRPC error',
      [
        {
          strategy: 'secondary:small',
          result: 'failed' as const,
          error: Object.assign(new Error('14 UNAVAILABLE: down'), {
            code: status.UNAVAILABLE,
            details: 'down',
          }),
        },
      ],
      'secondary:small failed (UNAVAILABLE: down)',
    ],
    ['what is no error', [{ strategy: 'a', result: 'failed' as const, error: 'oops' }], 'a failed (oops)'],
    [
      'what cannot be shown',
      [{ strategy: 'a', result: 'failed' as const, error: Object.create(null) }],
      'a failed (an error that cannot be shown)',
    ],
    [
      'an error whose message is no text',
      [{ strategy: 'a', result: 'failed' as const, error: Object.assign(new Error(), { message: 5 }) }],
      'a failed (5)',
    ],
    [
      'half a pair of UTF-16',
      [{ strategy: 'a', result: 'failed' as const, error: '\ud83d!' }],
      'a failed (\ufffd!)',
    ],
  ])('%s', (_, attempts, expected) => {
    expect(describeAttempts(attempts)).toBe(expected);
  });

  it('is well-formed where it is cut, so that a server can pass it on as details', () => {
    for (let length = 110; length < 130; length++) {
      const error = `${'x'.repeat(length)}${'\u{1f600}'.repeat(10)}`;
      expect(describeAttempts([{ strategy: 'a', result: 'failed', error }]).isWellFormed()).toBe(true);
    }
  });

  it('is bounded', () => {
    const long = {
      strategy: 'x'.repeat(1000),
      result: 'failed' as const,
      error: new Error('y'.repeat(10_000)),
    };
    expect(describeAttempts(Array.from({ length: 50 }, () => long)).length).toBeLessThanOrEqual(480);
  });
});
