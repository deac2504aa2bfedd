import { AsyncLocalStorage } from 'node:async_hooks';
import {
  InterceptingCall,
  type Interceptor,
  Metadata,
  type ServerUnaryCall,
  type StatusObject,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import {
  type ChainOptions,
  defaultPrediction,
  deferred,
  FallbackRegistry,
  type FallbackStrategy,
  type GuardOptions,
  lastGood,
  noFallback,
  provenanceOf,
} from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { askedStrategy } from '../support/asked-strategy.js';
import { closedAfterEach } from '../support/closers.js';
import {
  callUnary,
  type Ended,
  echoClient,
  echoService,
  type Message,
  startEchoServer,
} from '../support/echo-service.js';
import { createGuard, neverTrip, tripAfter } from '../support/guard.js';
import { uncaughtErrors } from '../support/uncaught.js';

const closers = closedAfterEach();

type Strategy = FallbackStrategy<Message, Message>;
type Unary = [ServerUnaryCall<Message, Message>, sendUnaryData<Message>];

const AFTER_MS = 50;
const fixed = (when?: Strategy['when']): Strategy =>
  defaultPrediction({ text: 'default' }, when === undefined ? {} : { when });

const asked = (options: Partial<Strategy> = {}) =>
  askedStrategy<Message, Message>((text) => ({ text }), options);

/** A server whose answers the test gives, and a guarded client. */
async function setUp(
  strategies: readonly Strategy[],
  options: GuardOptions = {},
  chain: ChainOptions = {},
  behind: readonly Interceptor[] = [],
) {
  const clock = new ManualClock(1_000_000);
  const calls: Unary[] = [];
  const server = await startEchoServer({ unary: (...call) => calls.push(call) });
  const fallbacks = new FallbackRegistry().register(echoService.unary, strategies, chain);
  const guard = createGuard({
    clock,
    fallbacks,
    fallbackAfterMs: AFTER_MS,
    circuit: neverTrip(),
    ...options,
  });
  const client = echoClient(server.address, { interceptors: [guard.interceptor, ...behind] });
  closers.push(
    () => client.close(),
    () => server.close(),
    () => guard.close(),
  );
  const received = async (count: number) => {
    while (calls.length < count) await new Promise(setImmediate);
  };
  const circuit = guard.circuit(echoService.unary);
  const settled = async (outcome: 'success' | 'failure' | 'ignored' | 'caller-error', count = 1) => {
    while (circuit.snapshot().totals.outcomes[outcome] < count) await new Promise(setImmediate);
  };
  return { clock, calls, guard, client, circuit, received, settled };
}

function pick({ value, error, metadata, events }: Ended) {
  return { text: value?.text, code: error?.code, cause: provenanceOf(metadata).cause, events };
}

const turn = () => new Promise(setImmediate);
const DEAD = { code: status.INTERNAL, details: 'CUDA error' };

describe('a call that is not answered within fallbackAfterMs', () => {
  it('is answered by its chain at that moment, and its late answer still counts', async () => {
    const { clock, calls, guard, client, circuit, received, settled } = await setUp([fixed()]);
    const degraded: string[] = [];
    guard.on('degraded', ({ cause }) => degraded.push(cause));
    const call = callUnary(client, 'a');
    await received(1);
    clock.advance(AFTER_MS - 1);
    expect(degraded).toEqual([]);
    clock.advance(1);
    expect(pick(await call)).toEqual({
      text: 'default',
      code: undefined,
      cause: 'slow',
      events: ['metadata', 'value default', 'status 0'],
    });
    expect(degraded).toEqual(['slow']);
    expect(circuit.inFlight).toBe(1);
    clock.advance(20);
    calls[0]?.[1](null, { text: 'late' });
    await settled('success');
    expect(circuit.inFlight).toBe(0);
    expect(guard.answers()).toMatchObject([{ source: 'default', cause: 'slow', count: 1 }]);
  });

  it('keeps no timer when it is answered in time', async () => {
    const { clock, calls, client, received } = await setUp([fixed()]);
    const call = callUnary(client, 'a');
    await received(1);
    expect(clock.pendingTimers).toBe(1);
    calls[0]?.[1](null, { text: 'in time' });
    expect(pick(await call)).toMatchObject({ text: 'in time', cause: undefined });
    expect(clock.pendingTimers).toBe(0);
  });

  it('goes on when no fallback answers', async () => {
    const { questions, strategy } = asked();
    const { clock, calls, client, received } = await setUp([strategy]);
    const call = callUnary(client, 'a');
    await received(1);
    clock.advance(AFTER_MS);
    questions[0]?.answer();
    await turn();
    calls[0]?.[1](null, { text: 'primary' });
    expect(pick(await call)).toMatchObject({ text: 'primary', cause: undefined });
    expect(questions).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each<
    [
      string,
      Parameters<sendUnaryData<Message>>[0],
      Partial<ReturnType<typeof pick>>,
      'success' | 'caller-error',
    ]
  >([
    ['an answer', null, { text: 'primary', code: undefined }, 'success'],
    [
      "a caller's error",
      { code: status.NOT_FOUND },
      { text: undefined, code: status.NOT_FOUND },
      'caller-error',
    ],
  ])(
    'gets %s of the primary that comes before the fallback, which is aborted',
    async (_what, error, expected, outcome) => {
      const { questions, strategy } = asked();
      const { clock, calls, client, received, circuit } = await setUp([strategy, fixed()]);
      const call = callUnary(client, 'a');
      await received(1);
      clock.advance(AFTER_MS);
      calls[0]?.[1](error, { text: 'primary' });
      expect(pick(await call)).toMatchObject({ ...expected, cause: undefined });
      expect(questions[0]?.signal.reason).toMatchObject({ name: 'AbortError' });
      questions[0]?.answer('too late');
      await turn();
      expect(circuit.snapshot().totals.outcomes[outcome]).toBe(1);
      expect(clock.pendingTimers).toBe(0);
    },
  );

  it('lets the chain go on when the primary fails meanwhile', async () => {
    const { questions, strategy } = asked();
    const { clock, calls, client, received, settled } = await setUp([strategy]);
    const call = callUnary(client, 'a');
    await received(1);
    clock.advance(AFTER_MS);
    calls[0]?.[1](DEAD);
    await settled('failure');
    expect(questions[0]?.signal.aborted).toBe(false);
    questions[0]?.answer('small');
    expect(pick(await call)).toMatchObject({ text: 'small', cause: 'slow' });
    expect(questions).toHaveLength(1);
  });

  it('asks the chain for the failure when nothing answers a slow call that fails', async () => {
    const { questions, strategy } = asked({ when: 'slow' });
    const { clock, calls, client, received, settled, guard } = await setUp([strategy, fixed('failed')]);
    const call = callUnary(client, 'a');
    await received(1);
    clock.advance(AFTER_MS);
    calls[0]?.[1](DEAD);
    await settled('failure');
    questions[0]?.fail();
    expect(pick(await call)).toMatchObject({ text: 'default', cause: 'INTERNAL' });
    expect(guard.answers()).toMatchObject([{ source: 'default', cause: 'failed', count: 1 }]);
  });

  it("has the primary's own error when it fails and no strategy serves failures", async () => {
    const { questions, strategy } = asked({ when: ['slow'] });
    const { clock, calls, client, received, settled } = await setUp([strategy]);
    const call = callUnary(client, 'a');
    await received(1);
    clock.advance(AFTER_MS);
    calls[0]?.[1](DEAD);
    await settled('failure');
    questions[0]?.answer();
    expect(pick(await call)).toMatchObject({ code: status.INTERNAL, events: ['error 13', 'status 13'] });
  });

  it('is cancelled on both sides by its caller', async () => {
    const { questions, strategy } = asked();
    const { clock, calls, client, received, settled } = await setUp([strategy]);
    const call = callUnary(client, 'a', {
      onCall: async (made) => {
        await received(1);
        clock.advance(AFTER_MS);
        made.cancel();
      },
    });
    expect(pick(await call)).toMatchObject({ code: status.CANCELLED });
    expect(questions[0]?.signal.reason).toMatchObject({ name: 'AbortError' });
    await settled('ignored');
    while (calls[0]?.[0].cancelled !== true) await turn();
    expect(clock.pendingTimers).toBe(0);
  });

  it.each<[string, (call: { cancel(): void }, signal: AbortSignal | undefined) => void]>([
    ['an interceptor behind the guard gives its status in the turn of the cancellation', () => {}],
    [
      "a strategy's signal cancels it once more",
      (call, signal) => signal?.addEventListener('abort', () => call.cancel()),
    ],
  ])('that is cancelled ends once, though %s', async (_what, prepare) => {
    const eager: Interceptor = (callOptions, nextCall) => {
      let end = (_ended: StatusObject): void => {};
      return new InterceptingCall(nextCall(callOptions), {
        start: (metadata, listener, next) => {
          end = (ended) => listener.onReceiveStatus(ended);
          next(metadata, listener);
        },
        cancel: (next) => {
          end({ code: status.CANCELLED, details: 'at once', metadata: new Metadata() });
          next();
        },
      });
    };
    const { questions, strategy } = asked();
    const { clock, calls, client, received, circuit, guard } = await setUp([strategy], {}, {}, [eager]);
    const ends: number[] = [];
    guard.on('call', (event) => ends.push(event.status));
    const call = callUnary(client, 'a', {
      onCall: async (made) => {
        await received(1);
        clock.advance(AFTER_MS);
        prepare(made, questions[0]?.signal);
        made.cancel();
      },
    });
    expect(pick(await call)).toMatchObject({ code: status.CANCELLED, events: ['error 1', 'status 1'] });
    while (calls[0]?.[0].cancelled !== true) await turn();
    expect([circuit.inFlight, circuit.snapshot().totals.outcomes.ignored]).toEqual([0, 1]);
    expect(ends).toEqual([status.CANCELLED]);
  });

  it.each([
    ['after abandonedAfterMs', 500, undefined],
    ['a second after its deadline', 6_000, 5_000],
  ])('gives its permit back %s, though its status never comes', async (_what, afterMs, deadlineMs) => {
    const mute: Interceptor = (callOptions, nextCall) =>
      new InterceptingCall(nextCall(callOptions), {
        start: (metadata, _listener, next) => next(metadata, { onReceiveStatus: () => {} }),
      });
    const { clock, client, received, circuit } = await setUp([fixed()], { abandonedAfterMs: 500 }, {}, [
      mute,
    ]);
    const call = callUnary(client, 'a', deadlineMs ? { deadline: Date.now() + deadlineMs } : {});
    await received(1);
    clock.advance(AFTER_MS);
    expect((await call).value?.text).toBe('default');
    clock.advance(afterMs);
    expect([circuit.inFlight, circuit.snapshot().totals.outcomes.failure]).toEqual([0, 1]);
  });

  it('has its late answer kept, for the next call', async () => {
    const { clock, calls, circuit, client, received, settled } = await setUp([lastGood(), fixed()]);
    const slow = callUnary(client, 'a');
    await received(1);
    clock.advance(AFTER_MS);
    expect((await slow).value?.text).toBe('default');
    calls[0]?.[1](null, { text: 'late' });
    await settled('success');
    using _held = circuit.isolate();
    expect(pick(await callUnary(client, 'a'))).toMatchObject({ text: 'late', cause: 'ISOLATED' });
  });

  it('opens the circuit by its late failures, though no caller saw one', async () => {
    const { clock, calls, circuit, client, received } = await setUp([fixed()], { circuit: tripAfter(2) });
    for (const n of [1, 2]) {
      const call = callUnary(client, 'a');
      await received(n);
      clock.advance(AFTER_MS);
      expect((await call).error).toBeUndefined();
      calls[n - 1]?.[1](DEAD);
      while (circuit.inFlight > 0) await turn();
    }
    expect(circuit.state).toBe('open');
  });

  it.each<[string, object]>([
    ['metadata that are {}', { code: status.UNAVAILABLE, details: 'odd', metadata: {} }],
    ['no metadata', { code: status.UNAVAILABLE, details: 'odd' }],
    ['no code', { details: 'odd' }],
  ])('settles its permit where an interceptor ends it late with an odd status (%s)', async (_which, odd) => {
    const ending: Interceptor = (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (metadata, _listener, next) =>
          next(metadata, { onReceiveStatus: (_status, pass) => Reflect.apply(pass, undefined, [odd]) }),
      });
    const errors = uncaughtErrors(closers);
    const { clock, calls, client, circuit, received, settled } = await setUp([fixed()], {}, {}, [ending]);
    const call = callUnary(client, 'a');
    await received(1);
    clock.advance(AFTER_MS);
    expect((await call).value?.text).toBe('default');
    calls[0]?.[1](DEAD);
    await settled('failure');
    expect({ inFlight: circuit.inFlight, errors }).toEqual({ inFlight: 0, errors: [] });
  });

  it('ends after abandonedAfterMs without a deadline, as a time-out', async () => {
    const { clock, client, received, settled, circuit } = await setUp([fixed()], { abandonedAfterMs: 500 });
    const call = callUnary(client, 'a');
    await received(1);
    clock.advance(AFTER_MS);
    await call;
    clock.advance(500);
    await settled('failure');
    expect([circuit.inFlight, clock.pendingTimers]).toEqual([0, 0]);
  });

  it('has its own deadline, and so has the late call', async () => {
    const { clock, client, received, settled, circuit } = await setUp([fixed()]);
    const call = callUnary(client, 'a', { deadline: Date.now() + 1_000 });
    await received(1);
    clock.advance(AFTER_MS);
    expect((await call).value?.text).toBe('default');
    await settled('failure');
    expect(circuit.inFlight).toBe(0);
  });

  it('is not asked for by strategies that do not serve slow calls', async () => {
    const queue = { enqueue: () => Promise.reject(new Error('asked')), withdraw: async () => {} };
    const strategies: Strategy[] = [
      // biome-ignore lint/suspicious/noExplicitAny: a queue of which nothing is asked
      deferred({ queue: queue as any, acknowledge: () => ({ text: 'accepted' }) }),
      fixed(['rejected', 'failed']),
    ];
    const { clock, calls, client, received } = await setUp(strategies);
    const call = callUnary(client, 'a');
    await received(1);
    expect(clock.pendingTimers).toBe(0);
    calls[0]?.[1](null, { text: 'primary' });
    expect((await call).value?.text).toBe('primary');
  });

  it('stops at noFallback()', async () => {
    const { clock, client, received, calls } = await setUp([noFallback({ when: 'slow' }), fixed()]);
    const call = callUnary(client, 'a');
    await received(1);
    expect(clock.pendingTimers).toBe(0);
    calls[0]?.[1](DEAD);
    expect(pick(await call)).toMatchObject({ text: 'default', cause: 'INTERNAL' });
  });

  it("asks in its caller's async context", async () => {
    const tenant = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const strategy: Strategy = {
      name: 'default',
      answer: () => {
        seen.push(tenant.getStore());
        return { message: { text: 'default' }, source: 'default' };
      },
    };
    const server = await startEchoServer({ unary: () => undefined });
    const fallbacks = new FallbackRegistry().register(echoService.unary, [strategy]);
    const client = echoClient(server.address, {
      interceptors: [createGuard({ fallbacks, fallbackAfterMs: 5 }).interceptor],
    });
    closers.push(
      () => client.close(),
      () => server.close(),
    );
    await Promise.all(['a', 'b'].map((name) => tenant.run(name, () => callUnary(client, name))));
    expect(seen).toEqual(['a', 'b']);
  });
});

describe('slow calls whose strategy makes a call', () => {
  async function slowCalls(strategy: Strategy, count: number, chain: ChainOptions = {}) {
    const { clock, calls, client, received } = await setUp([strategy, fixed()], {}, chain);
    const texts: (string | undefined)[] = [];
    for (let n = 1; n <= count; n++) {
      const call = callUnary(client, 'a');
      await received(n);
      clock.advance(AFTER_MS);
      texts.push((await call).value?.text);
      calls[n - 1]?.[1](null, { text: 'late' });
    }
    return texts.filter((text) => text === 'small').length;
  }
  const calling: Strategy = {
    name: 'secondary:small',
    waits: true,
    answer: async () => ({ message: { text: 'small' }, source: 'secondary:small' }),
  };

  it('are a tenth of the calls, and at most ten more', async () => {
    expect(await slowCalls(calling, 60)).toBe(16 - 1); // ten at first, and 59 tenths
  });

  it.each([
    [1, 40],
    [0, 0],
  ])('are as many as slowShare %s allows', async (slowShare, expected) => {
    expect(await slowCalls(calling, 40, { slowShare })).toBe(expected);
  });

  it('are not bounded if it answers from memory', async () => {
    expect(await slowCalls({ ...calling, waits: false }, 30)).toBe(30);
  });

  it('cost nothing if it declines before it makes a call', async () => {
    let asked = 0;
    const refusing: Strategy = {
      ...calling,
      answer: () => {
        asked++;
        throw new Error('its circuit is open');
      },
    };
    await slowCalls(refusing, 30);
    expect(asked).toBe(30);
  });
});

describe('a soft deadline by percentile', () => {
  it('begins after twenty answers, and follows the model', async () => {
    const options = { fallbackAfterMs: { percentile: 90, factor: 2, minMs: 30 } };
    const { clock, calls, guard, client, received } = await setUp([fixed()], options);
    const now = () => guard.settingsOf(echoService.unary.path)?.fallbackAfterMs;
    let made = 0;
    const answerAfter = async (ms: number) => {
      const call = callUnary(client, 'a');
      await received(++made);
      clock.advance(ms);
      calls[made - 1]?.[1](null, { text: 'primary' });
      await call;
    };
    await answerAfter(500); // it waits for its connection, which says nothing about the model
    for (let n = 0; n < 19; n++) await answerAfter(n < 17 ? 20 : 40);
    expect(now()).toBe(Number.POSITIVE_INFINITY);
    await answerAfter(40);
    expect(now()).toBe(80);
    for (let n = 0; n < 128; n++) await answerAfter(2);
    expect(now()).toBe(30);
    const call = callUnary(client, 'a');
    await received(++made);
    clock.advance(30);
    expect((await call).value?.text).toBe('default');
  });
});

describe('a stream', () => {
  async function streams(strategy: Strategy, options: GuardOptions = {}) {
    const clock = new ManualClock(1_000_000);
    const server = await startEchoServer();
    const fallbacks = new FallbackRegistry()
      .register(echoService.serverStream, [strategy])
      .register(echoService.clientStream, [strategy])
      .register(echoService.bidi, [strategy]);
    const guard = createGuard({
      clock,
      fallbacks,
      fallbackAfterMs: AFTER_MS,
      circuit: neverTrip(),
      ...options,
    });
    const client = echoClient(server.address, { interceptors: [guard.interceptor] });
    closers.push(
      () => client.close(),
      () => server.close(),
      () => guard.close(),
    );
    return { clock, server, guard, client };
  }
  const two: Strategy = {
    name: 'default',
    answer: () => ({ message: [{ text: 'one' }, { text: 'two' }], source: 'default' }),
  };

  it('of responses falls back until its first message; of the late stream the first message is awaited', async () => {
    const { clock, server, guard, client } = await streams(two);
    const made: Parameters<typeof server.handlers.serverStream>[0][] = [];
    server.handlers.serverStream = (call) => made.push(call);
    const stream = client.serverStream({ text: 'a' }, new Metadata(), {});
    const texts: string[] = [];
    const ended = new Promise((resolve) => stream.on('status', resolve));
    stream.on('data', ({ text }: Message) => texts.push(text));
    while (made.length === 0) await turn();
    clock.advance(AFTER_MS);
    await ended;
    expect(texts).toEqual(['one', 'two']);
    made[0]?.write({ text: 'late' });
    const circuit = guard.circuit(echoService.serverStream);
    while (circuit.snapshot().totals.outcomes.success === 0) await turn();
    while (made[0]?.cancelled !== true) await turn();
    expect([circuit.inFlight, clock.pendingTimers]).toEqual([0, 0]);
  });

  it('of responses is its own from its first message on', async () => {
    const { clock, server, client } = await streams(two);
    const made: Parameters<typeof server.handlers.serverStream>[0][] = [];
    server.handlers.serverStream = (call) => {
      call.write({ text: 'first' });
      made.push(call);
    };
    const stream = client.serverStream({ text: 'a' }, new Metadata(), {});
    const texts: string[] = [];
    const ended = new Promise((resolve) => stream.on('status', resolve));
    const first = new Promise((resolve) => stream.once('data', resolve));
    stream.on('data', ({ text }: Message) => texts.push(text));
    await first;
    clock.advance(AFTER_MS);
    made[0]?.write({ text: 'second' });
    made[0]?.end();
    await ended;
    expect(texts).toEqual(['first', 'second']);
  });

  it('that passes its first message on while a fallback is asked has all its messages', async () => {
    const { questions, strategy } = asked();
    const { clock, server, client } = await streams(strategy);
    const made: Parameters<typeof server.handlers.serverStream>[0][] = [];
    server.handlers.serverStream = (call) => made.push(call);
    const stream = client.serverStream({ text: 'a' }, new Metadata(), {});
    const texts: string[] = [];
    const ended = new Promise((resolve) => stream.on('status', resolve));
    stream.on('data', ({ text }: Message) => texts.push(text));
    while (made.length === 0) await turn();
    clock.advance(AFTER_MS);
    for (const text of ['1', '2', '3']) made[0]?.write({ text });
    made[0]?.end();
    await ended;
    expect(texts).toEqual(['1', '2', '3']);
    expect(questions[0]?.signal.aborted).toBe(true);
  });

  it('of requests is slow only after its end', async () => {
    const { clock, server, client, guard } = await streams(fixed());
    let answer: (() => void) | undefined;
    server.handlers.clientStream = (call, callback) => {
      call.on('data', () => undefined);
      call.on('end', () => {
        answer = () => callback(null, { text: 'late' });
      });
    };
    const result = new Promise<string | undefined>((resolve) => {
      const stream = client.clientStream(new Metadata(), {}, (_error, value) => resolve(value?.text));
      stream.write({ text: 'a' }, () => {
        clock.advance(10 * AFTER_MS);
        stream.end({ text: 'b' });
      });
    });
    while (answer === undefined) await turn();
    clock.advance(AFTER_MS);
    expect(await result).toBe('default');
    answer();
    const circuit = guard.circuit(echoService.clientStream);
    while (circuit.snapshot().totals.outcomes.success === 0) await turn();
  });

  it('that is an open conversation is never slow', async () => {
    const { clock, client } = await streams(two, { abandonedAfterMs: 1e9 });
    const conversation = client.bidi(new Metadata(), {});
    const texts: string[] = [];
    const ended = new Promise((resolve) => conversation.on('status', resolve));
    conversation.on('data', ({ text }: Message) => {
      texts.push(text);
      clock.advance(10 * AFTER_MS);
      conversation.end();
    });
    conversation.write({ text: 'a' });
    await ended;
    expect(texts).toEqual(['echo a']);
  });
});

describe('with 30 % of the calls hanging', () => {
  it("the slowest answers are the fallback's, not the deadline's", async () => {
    let n = 0;
    const server = await startEchoServer({
      unary: (_call, done) => {
        if (n++ % 10 >= 3) done(null, { text: 'primary' });
      },
    });
    const fallbacks = new FallbackRegistry().register(echoService.unary, [fixed()]);
    const guard = createGuard({ fallbacks, fallbackAfterMs: 60, circuit: neverTrip() });
    const client = echoClient(server.address, { interceptors: [guard.interceptor] });
    closers.push(
      () => client.close(),
      () => server.close(),
      () => guard.close(),
    );
    await callUnary(client, 'connects');
    const took: number[] = [];
    const call = async () => {
      const startMs = performance.now();
      const { error } = await callUnary(client, 'a', { deadline: Date.now() + 60_000 });
      if (error === undefined) took.push(performance.now() - startMs);
    };
    await Promise.all(Array.from({ length: 100 }, call));
    took.sort((a, b) => a - b);
    expect(took).toHaveLength(100);
    expect(took[98]).toBeGreaterThan(50);
    expect(took[98]).toBeLessThan(30_000);
    expect(guard.answers()).toContainEqual(
      expect.objectContaining({ source: 'default', cause: 'slow', count: expect.any(Number) }),
    );
  });
});
