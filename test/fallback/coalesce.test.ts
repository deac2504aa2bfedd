import { type ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { coalesce } from '../../src/fallback/coalesce.js';
import { defaultPrediction } from '../../src/fallback/default-prediction.js';
import { lastGood } from '../../src/fallback/last-good/last-good.js';
import { noFallback } from '../../src/fallback/no-fallback.js';
import { FallbackRegistry } from '../../src/fallback/registry.js';
import { secondaryModel } from '../../src/fallback/secondary/secondary-model.js';
import type { Answer, FallbackContext, FallbackStrategy } from '../../src/fallback/strategy.js';
import { startInferServer } from './infer-server.js';
import {
  chainOf,
  deferredPromise,
  FakeCall,
  METHOD,
  metadata,
  primaryAnswer,
  request,
  response,
} from './support.js';

type Strategy = FallbackStrategy<ModelInferRequest, ModelInferResponse>;

/** A strategy that answers when told to, and what it was asked. */
function slow() {
  const asked: FallbackContext<ModelInferRequest>[] = [];
  const hands: ReturnType<typeof deferredPromise<Answer<ModelInferResponse> | undefined>>[] = [];
  const strategy: Strategy = {
    name: 'slow',
    answer(context) {
      asked.push(context);
      const hand = deferredPromise<Answer<ModelInferResponse> | undefined>();
      hands.push(hand);
      return hand.promise;
    },
  };
  return { asked, hands, strategy, chain: chainOf([coalesce(strategy)]) };
}

const answered = (id: string): Answer<ModelInferResponse> => ({
  message: response({ id, rawOutputContents: [Buffer.from([1])] }),
  source: 'slow',
  ageMs: 7,
});

describe('coalesce', () => {
  it('asks a real secondary once for a thousand identical calls, and gives each a copy', async () => {
    let calls = 0;
    const { client, stop } = await startInferServer((_, done) => {
      calls++;
      setImmediate(() => done(null, response({ rawOutputContents: [Buffer.from([1])] })));
    });
    const chain = chainOf([coalesce(secondaryModel(client, 'modelInfer', { name: 'small' }))]);
    const outcomes = await Promise.all(
      Array.from({ length: 1000 }, () => chain.run(new FakeCall({ request: request({ id: 'same' }) }))),
    );
    expect(calls).toBe(1);
    const messages = outcomes.map((outcome) => ModelInferResponse.fromPartial(outcome.answer?.message ?? {}));
    messages[0]?.rawOutputContents[0]?.fill(9);
    expect(new Set(outcomes.map((outcome) => outcome.answer?.message)).size).toBe(1000);
    expect(messages[1]?.rawOutputContents).toEqual([Buffer.from([1])]);
    stop();
  });

  it('keeps different requests, different callers and later calls apart', async () => {
    const { asked, hands, chain } = slow();
    const runs = [
      chain.run(new FakeCall({ request: request({ id: '1' }) })),
      chain.run(new FakeCall({ request: request({ id: '2' }) })),
      chain.run(new FakeCall({ request: request({ id: '1' }), metadata: metadata({ authorization: 'a' }) })),
      chain.run(new FakeCall({ request: request({ id: '1' }), metadata: metadata({ authorization: 'a' }) })),
    ];
    expect(asked).toHaveLength(3);
    for (const [index, hand] of hands.entries()) hand.resolve(answered(`answer ${index}`));
    const ids = (await Promise.all(runs)).map(({ answer }) => answer);
    expect(ids).toMatchObject([0, 1, 2, 2].map((n) => ({ ageMs: 7, message: { id: `answer ${n}` } })));
    const again = chain.run(new FakeCall({ request: request({ id: '1' }) }));
    expect(asked).toHaveLength(4);
    hands[3]?.resolve(undefined);
    expect(await again).toMatchObject({ answer: undefined, attempts: [{ result: 'declined' }] });
  });

  it.each(['first', 'second'] as const)('goes on when the %s caller cancels', async (who) => {
    const { asked, hands, chain } = slow();
    const first = new FakeCall();
    const second = new FakeCall();
    const runs = { first: chain.run(first), second: chain.run(second) };
    const other = who === 'first' ? 'second' : 'first';
    (who === 'first' ? first : second).abort('cancelled');
    expect((await runs[who]).answer).toBeUndefined();
    expect(asked[0]?.signal.aborted).toBe(false);
    hands[0]?.resolve(answered('x'));
    expect((await runs[other]).answer).toMatchObject({ message: { id: 'x' } });
    expect(asked).toHaveLength(1);
  });

  it.each([
    ['cancelled', 'AbortError'],
    ['deadline', 'TimeoutError'],
  ] as const)('is aborted when the last has left: %s', async (cause, name) => {
    const { asked, chain } = slow();
    const calls = [new FakeCall(), new FakeCall()];
    const runs = calls.map((call) => chain.run(call));
    calls[0]?.abort('cancelled');
    await runs[0];
    calls[1]?.abort(cause);
    await runs[1];
    await expect.poll(() => asked[0]?.signal.aborted).toBe(true);
    expect(asked[0]?.signal.reason).toMatchObject({ name });
    void chain.run(new FakeCall());
    expect(asked).toHaveLength(2);
  });

  it('shares a failure', async () => {
    const { hands, chain } = slow();
    const runs = [chain.run(new FakeCall()), chain.run(new FakeCall())];
    hands[0]?.reject(new Error('down'));
    for (const { attempts } of await Promise.all(runs))
      expect(attempts).toMatchObject([{ result: 'failed', error: { message: 'down' } }]);
  });

  it('asks again for a caller with more time than the question has left', async () => {
    const { asked, chain } = slow();
    void chain.run(new FakeCall({ leftMs: 100 }));
    void chain.run(new FakeCall({ leftMs: 150 }));
    expect(asked).toHaveLength(1);
    void chain.run(new FakeCall({ leftMs: 1000 }));
    expect(asked).toHaveLength(2);
  });

  it('asks again for a caller with more time than the question, where a strategy has a time limit', () => {
    const asked: FallbackContext<ModelInferRequest>[] = [];
    const limited: Strategy = {
      name: 'slow',
      timeoutMs: 100,
      answer(context) {
        asked.push(context);
        return new Promise<never>(() => undefined);
      },
    };
    const clock = new ManualClock(5_000_000);
    const chain = chainOf([coalesce(limited, { clock })]);
    void chain.run(new FakeCall());
    clock.advance(100);
    clock.stepEpoch(-3_600_000); // the wall clock is set back: no time comes back with it
    void chain.run(new FakeCall());
    expect(asked).toHaveLength(1);
    clock.advance(1); // of the question's 200 ms, 99 are left
    void chain.run(new FakeCall());
    expect(asked).toHaveLength(2);
  });

  it.each([
    ['a string', 'hello'],
    ['an array', []],
    ['a promise', Promise.resolve(response())],
    ['null', null],
  ])('takes %s for no message, though the encoder might', async (_, message) => {
    // An encoder that takes anything for an empty message, as protobufjs's does.
    const lenient = { ...METHOD, responseSerialize: () => Buffer.alloc(0) };
    const inner: FallbackStrategy<ModelInferRequest, ModelInferResponse> = Object.create({
      name: 'slow',
      answer: async () => ({ message, source: 'slow' }),
    });
    const chain = new FallbackRegistry().register(lenient, [coalesce(inner)]).chainFor(METHOD.path);
    expect(await chain?.run(new FakeCall())).toMatchObject({
      answer: undefined,
      attempts: [{ result: 'failed' }],
    });
  });

  it('passes on answers at once, kept answers, and the switch', async () => {
    const inner = lastGood<ModelInferRequest, ModelInferResponse>();
    const wrapped = coalesce(inner);
    const chain = chainOf([wrapped]);
    const call = new FakeCall();
    chain.keep(primaryAnswer());
    expect(chain.run(call)).toMatchObject({ answer: { source: 'last-good' } });
    wrapped.enabled = false;
    expect(inner.enabled).toBe(false);
    expect(chain.serves('failed')).toBe(false);
  });

  it('ends the chain where the strategy does', async () => {
    const chain = chainOf([
      coalesce(noFallback()),
      defaultPrediction<ModelInferRequest, ModelInferResponse>(response({ id: 'crude' })),
    ]);
    expect(chain.serves('rejected')).toBe(false);
    expect(await chain.run(new FakeCall())).toMatchObject({
      answer: undefined,
      attempts: [{ strategy: 'no-fallback', result: 'stopped' }],
    });
  });

  it('makes no key for a strategy that never waits, and needs no copy of the call for it', () => {
    const fixed = coalesce(
      defaultPrediction<ModelInferRequest, ModelInferResponse>(response({ id: 'crude' })),
    );
    const chain = chainOf([fixed]);
    expect(chain.readsCall).toBe(false);
    const call = Object.defineProperty(new FakeCall(), 'metadata', {
      get: () => {
        throw new Error('no key is needed');
      },
    });
    expect(chain.run(call)).toMatchObject({ answer: { source: 'default', message: { id: 'crude' } } });
    expect(chainOf([coalesce(slow().strategy)]).readsCall).toBe(true);
  });

  it('gives the strategy one context: the facts of the first call, and a time and a signal of its own', () => {
    const { asked, chain } = slow();
    const call = new FakeCall({ leftMs: 100, host: 'tenant-a', circuitKey: 'the key' });
    void chain.run(call);
    expect(asked[0]).toMatchObject({ host: 'tenant-a', circuitKey: 'the key', request: call.request });
    expect(asked[0]).toMatchObject({ remainingMs: expect.closeTo(200, -2), parent: undefined });
    expect(asked[0]?.deadlineMs).toBe(call.deadlineMs + 100);
  });

  it('is for unary methods', () => {
    expect(() => coalesce(lastGood()).bind?.({ ...METHOD, requestStream: true })).toThrow('a unary method');
  });
});
