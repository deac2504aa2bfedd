import { describe, expect, it } from 'vitest';
import { type Signal, signal } from '../../src/circuit/index.js';
import type { TripRule } from '../../src/circuit/types.js';
import { bench } from './harness.js';

describe('the rule signal', () => {
  it('opens a circuit at the next call that ends while there is an alarm', () => {
    const source = { alarm: undefined as string | undefined };
    const b = bench({ trip: [signal(source)] });
    b.call('success', 10);
    expect(b.circuit.state).toBe('closed');
    source.alarm = 'backlog 900 > 500';
    expect(b.circuit.state).toBe('closed');
    b.call('success');
    expect(b.story()).toEqual(['closed -> open: signal backlog 900 > 500']);
  });

  it('needs the calls that it is given', () => {
    const b = bench({ trip: [signal({ alarm: 'on' }, { minimumCalls: 3 })] });
    b.call('success', 2);
    expect(b.circuit.state).toBe('closed');
    b.call('success');
    expect(b.circuit.state).toBe('open');
  });

  it('has no alarm if its source throws, or gives no text', () => {
    const throwing: Signal = {
      get alarm(): string {
        throw new Error('no');
      },
    };
    for (const source of [throwing, { alarm: 1 }]) {
      const b = bench({ trip: [signal(source as Signal)] });
      b.call('success');
      expect(b.circuit.state).toBe('closed');
    }
  });

  it.each([
    ['an alarm that is cut', ['x'.repeat(10_000)], `signal ${'x'.repeat(199)}…`],
    ['an empty alarm', [''], 'signal '],
    ['an alarm that ends just now', ['on', undefined], 'signal '],
  ])('%s is a reason', (_name, alarms, reason) => {
    const left: (string | undefined)[] = [...alarms];
    const source: Signal = {
      get alarm() {
        return left.length > 1 ? left.shift() : left[0];
      },
    };
    const b = bench({ trip: [signal(source)] });
    b.call('success');
    expect(b.circuit.snapshot().lastTrip?.reason).toBe(reason);
  });

  it('is frozen data with defaults', () => {
    const source = { alarm: undefined };
    expect(signal(source)).toEqual({ rule: 'signal', signal: source, minimumCalls: 1 });
    expect(signal(source, { minimumCalls: 7 }).minimumCalls).toBe(7);
  });

  it.each<[unknown, object, string]>([
    [undefined, {}, 'signal.signal: expected a signal: an object with `alarm`'],
    [null, {}, 'signal.signal: expected a signal'],
    ['alarm', {}, 'signal.signal: expected a signal'],
    [Object.assign(() => 1, { alarm: 'on' }), {}, 'signal.signal: expected a signal'],
    [{}, {}, 'signal.signal: expected a signal'],
    [{ alarm: undefined }, { minimumCalls: 0 }, 'signal.minimumCalls: expected an integer'],
    [{ alarm: undefined }, { calls: 1 }, 'signal.calls'],
  ])('refuses %j with %j', (source, options, message) => {
    expect(() => signal(source as Signal, options)).toThrow(message);
  });

  it('may be written as plain data', () => {
    const rule: TripRule = { rule: 'signal', signal: { alarm: 'on' }, minimumCalls: 1 };
    const b = bench({ trip: [rule] });
    b.call('success');
    expect(b.circuit.state).toBe('open');
  });
});
