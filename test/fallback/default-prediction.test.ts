import { on } from 'node:events';
import { isFailsoftError } from 'failsoft';
import { ModelInferResponse } from 'failsoft/protos/oip';
import { describe, expect, it } from 'vitest';
import { defaultPrediction } from '../../src/fallback/default-prediction.js';
import { FallbackRegistry } from '../../src/fallback/registry.js';
import { chainOf, FakeCall, METHOD, request, response } from './support.js';

const FIXED = response({ id: 'fixed', rawOutputContents: [Buffer.from([1, 2])] });

/** The next warning of ours: Node has its own to give, at a time of its own. */
async function ourWarning(): Promise<Error> {
  for await (const [warning] of on(process, 'warning'))
    if (warning.name === 'FailsoftWarning') return warning;
  throw new Error('the process warns no more');
}

describe('defaultPrediction', () => {
  it('gives the value, synchronously, a copy each time that no caller can poison', () => {
    const chain = chainOf([defaultPrediction(FIXED)]);
    const answer = () => {
      const outcome = chain.run(new FakeCall());
      if (outcome instanceof Promise) throw new Error('a value must not be waited for');
      return ModelInferResponse.fromPartial(outcome.answer?.message ?? {});
    };
    const first = answer();
    expect(first).toEqual(FIXED);
    first.id = 'changed';
    first.rawOutputContents[0]?.fill(9);
    expect(answer()).toEqual(FIXED);
  });

  it('is not changed by a change of the value after registration', async () => {
    const value = response({ id: 'before' });
    const chain = chainOf([defaultPrediction(value)]);
    value.id = 'after';
    expect((await chain.run(new FakeCall())).answer?.message).toMatchObject({ id: 'before' });
  });

  it.each([
    ['at once', (asked: { id: string }) => response({ id: `for ${asked.id}` })],
    ['later', async (asked: { id: string }) => response({ id: `for ${asked.id}` })],
  ])('makes it from the request, %s', async (_, make) => {
    const chain = chainOf([defaultPrediction(make)]);
    const { answer } = await chain.run(new FakeCall({ request: request({ id: '7' }) }));
    expect(answer).toMatchObject({ source: 'default', message: { id: 'for 7' } });
  });

  it('gives a function the context', async () => {
    const chain = chainOf([defaultPrediction((_, context) => response({ id: context.cause.kind }))]);
    expect((await chain.run(new FakeCall())).answer?.message).toMatchObject({ id: 'rejected' });
  });

  // What a program in JavaScript, or one with a cast, would pass.
  const wrong: ModelInferResponse = Object.create({ parameters: 'not a map', modelName: 'x' });
  it.each([
    ['a value', defaultPrediction(wrong)],
    ['a function without parameters', defaultPrediction(() => wrong)],
    ['a function with a sample', defaultPrediction((_: unknown) => wrong, { sample: request() })],
    [
      'a function that throws',
      defaultPrediction((): ModelInferResponse => {
        throw new Error('table not loaded');
      }),
    ],
  ])('%s that cannot be encoded is an error at registration, naming the method', (_, strategy) => {
    const register = () => new FallbackRegistry().register(METHOD, [strategy]);
    expect(register).toThrow(strategy.name);
    expect(register).toThrow(METHOD.path);
    try {
      register();
    } catch (error) {
      expect(isFailsoftError(error) && error.code).toBe('FAILSOFT_INVALID_ARGUMENT');
    }
  });

  it.each([
    ['rejects', async (): Promise<ModelInferResponse> => Promise.reject(new Error('store not up yet'))],
    ['gives no message', async () => wrong],
  ])('a function that promises and %s at registration is reported as a warning', async (_, make) => {
    const warned = ourWarning();
    new FallbackRegistry().register(METHOD, [defaultPrediction(make)]);
    const warning = await warned;
    expect(warning.message).toContain(`the default for ${METHOD.path} cannot be encoded`);
  });

  it('a value is a single message, also where the method streams its response', () => {
    const streams = { ...METHOD, responseStream: true };
    const list: ModelInferResponse = Object.assign([FIXED], JSON.parse('{}'));
    expect(() => new FallbackRegistry().register(streams, [defaultPrediction(list)])).toThrow(
      'a message object',
    );
  });

  it('a function of the request that turns out wrong is a failed attempt', async () => {
    const { answer, attempts } = await chainOf([defaultPrediction((_) => wrong)]).run(new FakeCall());
    expect(answer).toBeUndefined();
    expect(attempts).toMatchObject([{ strategy: 'default', result: 'failed' }]);
  });
});
