import { Metadata } from '@grpc/grpc-js';
import type { ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { lastGood } from '../../../src/fallback/last-good/last-good.js';
import type { LastGoodOptions } from '../../../src/fallback/last-good/options.js';
import type { Method } from '../../../src/fallback/strategy.js';
import { FakeCall, METHOD, metadata, primaryAnswer, request, response } from '../support.js';

/** The method, and how often each of its functions was called. */
function countedMethod() {
  const calls = { requestSerialize: 0, requestDeserialize: 0, responseSerialize: 0 };
  const method: Method<ModelInferRequest, ModelInferResponse> = {
    ...METHOD,
    requestSerialize: (value) => {
      calls.requestSerialize++;
      return METHOD.requestSerialize(value);
    },
    requestDeserialize: (bytes) => {
      calls.requestDeserialize++;
      return METHOD.requestDeserialize(bytes);
    },
    responseSerialize: (value) => {
      calls.responseSerialize++;
      return METHOD.responseSerialize(value);
    },
  };
  return { method, calls };
}

function setUp(options: LastGoodOptions<ModelInferRequest, ModelInferResponse> = {}) {
  const clock = new ManualClock(1_000_000);
  const strategy = lastGood<ModelInferRequest, ModelInferResponse>({ clock, ...options });
  const { method, calls } = countedMethod();
  strategy.bind?.(method);
  return {
    strategy,
    calls,
    keep: (fields: Parameters<typeof primaryAnswer>[0]) => strategy.keep?.(primaryAnswer(fields)),
    ask: (options: ConstructorParameters<typeof FakeCall>[0] = {}) =>
      strategy.answer(new FakeCall({ clock, ...options }).asked()),
  };
}

describe('a degraded answer is never kept as good', () => {
  it.each(['default', 'last-good', 'secondary:small'])('from a server with the label %s', (source) => {
    const { keep, ask, strategy } = setUp();
    keep({ responseMetadata: metadata({ 'failsoft-source': source, 'failsoft-age-ms': '7' }) });
    expect(ask()).toBeUndefined();
    expect(strategy.stats()).toMatchObject({ kept: 0, failures: 0, skipped: { degraded: 1 } });
  });

  it('and leaves the good one before it in its place', () => {
    const { keep, ask } = setUp();
    keep({ response: response({ id: 'good' }) });
    keep({
      responseMetadata: metadata({ 'failsoft-source': 'default' }),
      response: response({ id: 'default' }),
    });
    expect(ask()).toMatchObject({ message: { id: 'good' } });
  });

  it.each([{}, { 'failsoft-source': 'primary' }, { 'x-failsoft-source': 'default' }])(
    'while one with headers %s is kept',
    (headers) => {
      const { keep, ask } = setUp();
      keep({ responseMetadata: metadata(headers) });
      expect(ask()).toBeDefined();
    },
  );
});

describe('an answer that another caller got', () => {
  const caller = metadata({ authorization: 'alice', 'x-trace': '1' });

  it.each([
    ['an interceptor behind the guard set the token', metadata({ authorization: 'service' })],
    [
      'it added a second',
      (() => {
        const two = metadata({ authorization: 'alice' });
        two.add('authorization', 'service');
        return two;
      })(),
    ],
    ['it took the token away', new Metadata()],
  ])('is not kept: %s', (_, sentMetadata) => {
    const { keep, ask, strategy } = setUp();
    keep({ metadata: caller, sentMetadata: [caller, sentMetadata] });
    expect(ask({ metadata: caller })).toBeUndefined();
    expect(ask({ metadata: sentMetadata })).toBeUndefined();
    expect(strategy.stats()).toMatchObject({ kept: 0, skipped: { otherCaller: 1 } });
  });

  it('is kept under the metadata of the caller where only other keys differ', () => {
    const { keep, ask } = setUp();
    keep({
      metadata: caller,
      sentMetadata: [metadata({ authorization: 'alice', 'x-trace': '2', 'x-span': '3' })],
    });
    expect(ask({ metadata: caller })).toBeDefined();
  });

  it('is kept where callers share answers', () => {
    const { keep, ask } = setUp({ vary: [] });
    keep({ metadata: caller, sentMetadata: [metadata({ authorization: 'service' })] });
    expect(ask({ metadata: new Metadata() })).toBeDefined();
  });

  it('is not kept where the sent metadata are unknown, unless callers share answers', () => {
    const { keep, ask, strategy } = setUp();
    keep({ metadata: caller, sentMetadata: [] });
    expect(ask({ metadata: caller })).toBeUndefined();
    expect(strategy.stats()).toMatchObject({ kept: 0, skipped: { unknownCaller: 1 } });
    const shared = setUp({ vary: [] });
    shared.keep({ metadata: caller, sentMetadata: [] });
    expect(shared.ask({ metadata: caller })).toBeDefined();
  });
});

describe('long messages', () => {
  const long = (bytes: number) => ({ rawInputContents: [Buffer.alloc(bytes)] });

  it('answers that are certainly too long are not even encoded, after the first', () => {
    const { keep, strategy, calls } = setUp({ maxMessageBytes: 1_000 });
    for (let n = 0; n < 5; n++) keep({ response: response({ rawOutputContents: [Buffer.alloc(1_001)] }) });
    expect(calls).toEqual({ requestSerialize: 0, requestDeserialize: 0, responseSerialize: 1 });
    expect(strategy.stats()).toMatchObject({ kept: 0, skipped: { tooLong: 5 } });
  });

  describe('that do not show their length before they are encoded', () => {
    /** As google-protobuf makes messages: instances of a class. */
    class Generated {}
    const opaque = (bytes: number) =>
      Object.assign(new Generated(), response({ rawOutputContents: [Buffer.alloc(bytes)] }));

    it('are encoded seldom where a model has no others', () => {
      const { keep, strategy, calls } = setUp({ maxMessageBytes: 1_000 });
      for (let n = 0; n < 6_500; n++) keep({ response: opaque(1_001) });
      expect(calls.responseSerialize).toBeGreaterThan(100);
      expect(calls.responseSerialize).toBeLessThan(110);
      expect(strategy.stats()).toMatchObject({ kept: 0, skipped: { tooLong: 6_500 } });
    });

    it('cost other models no answer, nor a model with only a few of them', () => {
      const { keep, strategy } = setUp({ maxMessageBytes: 1_000 });
      for (let n = 0; n < 100; n++) {
        keep({ circuitKey: `${METHOD.path}#large`, response: opaque(1_001) });
        keep({ circuitKey: `${METHOD.path}#small`, response: opaque(10) });
        keep({ circuitKey: `${METHOD.path}#mixed`, response: opaque(n % 2 === 0 ? 1_001 : 10) });
        strategy.stats(); // makes room
      }
      expect(strategy.stats().skipped.tooLong).toBe(150);
    });

    it('are kept again when they have become short', () => {
      const { keep, strategy } = setUp({ maxMessageBytes: 1_000 });
      for (let n = 0; n < 1_000; n++) keep({ response: opaque(1_001) });
      const { tooLong } = strategy.stats().skipped;
      for (let n = 0; n < 200; n++) keep({ response: opaque(10) });
      const { kept, skipped } = strategy.stats();
      expect(skipped.tooLong - tooLong).toBeLessThanOrEqual(64);
      expect(kept).toBeGreaterThanOrEqual(136);
    });

    it('are remembered for a bounded number of models', () => {
      const { keep, calls } = setUp({ maxMessageBytes: 1_000 });
      const round = () => {
        for (let n = 0; n < 1_001; n++) keep({ circuitKey: `#${n}`, response: opaque(1_001) });
      };
      for (let n = 0; n < 3; n++) round();
      expect(calls.responseSerialize).toBe(3 * 1_001); // each was forgotten when its turn came again
    });
  });

  it('an answer is kept up to the limit, to the byte', () => {
    const exact = response({ id: 'x'.repeat(300) });
    const { length } = METHOD.responseSerialize(exact);
    const kept = setUp({ maxMessageBytes: length });
    kept.keep({ response: exact });
    expect(kept.ask()).toBeDefined();
    const skipped = setUp({ maxMessageBytes: length - 1 });
    skipped.keep({ response: exact });
    expect(skipped.strategy.stats()).toMatchObject({ kept: 0, skipped: { tooLong: 1 } });
  });

  it('a request that is too long is neither kept nor looked for', () => {
    const { keep, strategy, calls, ask } = setUp({ maxMessageBytes: 1_000, normalize: (asked) => asked });
    const asked = request(long(1_001));
    const requestBytes = METHOD.requestSerialize(asked);
    keep({ request: asked, requestBytes });
    const call = Object.assign(new FakeCall({ request: asked }), { requestBytes });
    expect(strategy.answer(call.asked())).toBeUndefined();
    expect(calls).toEqual({ requestSerialize: 0, requestDeserialize: 0, responseSerialize: 0 });
    expect(strategy.stats()).toMatchObject({ skipped: { tooLong: 1 }, misses: 1 });
    expect(ask({ request: request(long(10)) })).toBeUndefined();
  });

  it('a request that is no part of the key may be long', () => {
    const { keep, ask } = setUp({ maxMessageBytes: 1_000, keyOf: ({ id }) => id });
    const asked = request({ id: '1', ...long(5_000) });
    keep({ request: asked, requestBytes: METHOD.requestSerialize(asked) });
    expect(ask({ request: asked })).toBeDefined();
  });

  it('above maxCanonicalBytes a request is known again as it was sent, and not decoded', () => {
    const { keep, ask, calls } = setUp({ maxCanonicalBytes: 1_000 });
    const entries = ['a', 'b'].map((name) => [name, { stringParam: name }] as const);
    const of = (order: typeof entries, bytes: number) =>
      request({ ...long(bytes), parameters: new Map(order) });
    const reversed = [...entries].reverse();
    for (const bytes of [10, 2_000]) {
      const asked = of(entries, bytes);
      keep({ request: asked, requestBytes: METHOD.requestSerialize(asked) });
    }
    expect(ask({ request: of(reversed, 10) })).toBeDefined();
    const { requestDeserialize } = calls;
    expect(ask({ request: of(entries, 2_000) })).toBeDefined();
    expect(ask({ request: of(reversed, 2_000) })).toBeUndefined();
    expect(calls.requestDeserialize).toBe(requestDeserialize);
  });
});

it('an answer that comes while too many wait is not kept, and not encoded', () => {
  const clock = new ManualClock(1_000_000);
  // Each look at the clock takes so long that a turn has time for the few small answers between two looks.
  const slow = Object.assign(new ManualClock(1_000_000), {
    now: () => {
      clock.advance(6);
      return clock.now();
    },
  });
  const { keep, calls, strategy } = setUp({ clock: slow });
  for (let n = 0; n < 300; n++) keep({ request: request({ id: `${n}` }) });
  const kept = strategy.stats().kept;
  expect(kept).toBeLessThanOrEqual(8);
  expect(calls.responseSerialize).toBe(256 + kept);
  expect(strategy.stats()).toMatchObject({ skipped: { busy: 44 - kept }, pending: 256 });
});

it.each([
  [{ maxMessageBytes: 0 }, /lastGood\.maxMessageBytes: expected an integer from 1/],
  [{ maxCanonicalBytes: 1.5 }, /lastGood\.maxCanonicalBytes: expected an integer from 0/],
])('%o is refused', (options, message) => {
  expect(() => lastGood(options)).toThrow(message);
});

it('a namespace that is no text is refused', () => {
  const options: object = { namespace: 5 };
  expect(() => lastGood(options)).toThrow(/lastGood\.namespace: expected a string, got 5/);
});
