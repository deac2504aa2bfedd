import { GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { describe, expect, it } from 'vitest';
import { FallbackRegistry } from '../../src/fallback/registry.js';
import type { FallbackStrategy } from '../../src/fallback/strategy.js';
import { FakeCall, METHOD } from './support.js';

const plain = (rest: Partial<FallbackStrategy<unknown, never>> = {}): FallbackStrategy<unknown, never> => ({
  name: 'mine',
  answer: () => undefined,
  ...rest,
});

// What a program without types would pass.
const loose = (value: unknown): FallbackStrategy<unknown, never> =>
  typeof value === 'object' && value !== null
    ? Object.assign(Object.create(null), value)
    : JSON.parse('null');

describe('FallbackRegistry', () => {
  it('finds a chain by the method’s path, and nothing else', () => {
    const registry = new FallbackRegistry().register(METHOD, [plain()]);
    expect(registry.chainFor(METHOD.path)?.strategies).toHaveLength(1);
    expect(registry.chainFor('/inference.GRPCInferenceService/ModelReady')).toBeUndefined();
    expect(registry.chainFor('__proto__')).toBeUndefined();
  });

  it('lists all chains, so that any of them, or a strategy in all of them, can be switched while running', async () => {
    const other = GRPCInferenceServiceService.modelReady;
    const gives: FallbackStrategy<unknown, never> = {
      name: 'gives',
      answer: () => JSON.parse('{"source":"x","message":{}}'),
    };
    const registry = new FallbackRegistry()
      .register(METHOD, [plain(), gives])
      .register(other, [gives], { enabled: false });
    const seen = [...registry.chains()].map(([path, chain]) => [
      path,
      chain.enabled,
      chain.strategies.length,
    ]);
    expect(seen).toEqual([
      [METHOD.path, true, 2],
      [other.path, false, 1],
    ]);
    for (const [path, chain] of registry.chains()) {
      expect(chain).toBe(registry.chainFor(path));
      for (const strategy of chain.strategies) if (strategy.name === 'mine') strategy.enabled = false;
    }
    expect(await registry.chainFor(METHOD.path)?.run(new FakeCall())).toMatchObject({
      attempts: [{ strategy: 'mine', result: 'disabled' }, { strategy: 'gives' }],
    });
    for (const chain of registry.chains().values()) chain.enabled = false;
    expect(registry.chainFor(METHOD.path)?.serves('failed')).toBe(false);
  });

  it.each([
    ['null', null, /\[0\]: expected a fallback strategy/],
    ['no name', { answer: () => undefined }, /\[0\]\.name: expected a name/],
    ['no answer', { name: 'x' }, /x\)\.answer: expected a function/],
    [
      'when',
      { ...plain(), when: 'never' },
      /when: expected one of rejected, failed, slow, always, or a list of causes, got "never"/,
    ],
    ['an empty when', { ...plain(), when: [] }, /when: expected one of rejected, failed, slow, always/],
    ['a list with always', { ...plain(), when: ['slow', 'always'] }, /when: expected one of rejected/],
    ['timeoutMs', { ...plain(), timeoutMs: 0 }, /timeoutMs: expected a number from 1/],
    ['budgetShare above 1', { ...plain(), budgetShare: 2 }, /budgetShare: expected a number from 0 to 1/],
    ['budgetShare 0', { ...plain(), budgetShare: 0 }, /budgetShare: expected a number above 0/],
  ])('refuses a strategy with a wrong %s, naming the method', (_, strategy, message) => {
    const register = () => new FallbackRegistry().register(METHOD, [loose(strategy)]);
    expect(register).toThrow(message);
    expect(register).toThrow(METHOD.path);
  });

  it('refuses a second chain, a thing that is no method, unknown options, and use after close', async () => {
    const registry = new FallbackRegistry().register(METHOD, [plain()]);
    expect(() => registry.register(METHOD, [plain()])).toThrow('registered once');
    expect(() => registry.register(Object.create({ path: '/a/b' }), [plain()])).toThrow('requestSerialize');
    expect(() => registry.register(JSON.parse('{}'), [plain()])).toThrow('a method definition');
    expect(() => new FallbackRegistry().register(METHOD, [plain()], { slowShare: 2 })).toThrow(
      'slowShare: expected a number from 0 to 1, got 2',
    );
    const options = JSON.parse('{"maxConcurent": 1}');
    expect(() => new FallbackRegistry().register(METHOD, [plain()], options)).toThrow('maxConcurent');
    await registry.close();
    expect(() => registry.register(METHOD, [plain()])).toThrow('closed');
  });

  it('leaves no half-registered chain behind when a strategy cannot serve the method', () => {
    const registry = new FallbackRegistry();
    const cannot = plain({
      bind: () => {
        throw new Error('cannot');
      },
    });
    expect(() => registry.register(METHOD, [cannot])).toThrow('cannot');
    expect(registry.chainFor(METHOD.path)).toBeUndefined();
  });

  it('closes each strategy once, also after a strategy whose close() fails', async () => {
    const closed: string[] = [];
    const shared = plain({ close: () => void closed.push('shared') });
    const broken = plain({ close: () => Promise.reject(new Error('stuck')) });
    const other = { ...METHOD, path: '/other/Method' };
    const registry = new FallbackRegistry().register(METHOD, [broken, shared]).register(other, [shared]);
    await expect(registry.close()).rejects.toThrow('1 fallback strategies did not close');
    await registry.close();
    expect(closed).toEqual(['shared']);
  });
});
