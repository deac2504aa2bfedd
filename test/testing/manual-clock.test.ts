import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';

describe('ManualClock', () => {
  it('stands still until it is moved', () => {
    const clock = new ManualClock(100);
    expect(clock.now()).toBe(100);
    clock.advance(0.5);
    expect(clock.now()).toBe(100.5);
  });

  it('runs timers in the order of their due times, then of their setting, each at its own time', () => {
    const clock = new ManualClock();
    const ran: [string, number][] = [];
    for (const [name, delayMs] of [
      ['c', 20],
      ['a', 10],
      ['b', 10],
      ['late', 31],
    ] as const) {
      clock.setTimer(() => ran.push([name, clock.now()]), delayMs);
    }
    clock.advance(30);
    expect(ran).toEqual([
      ['a', 10],
      ['b', 10],
      ['c', 20],
    ]);
    expect(clock.now()).toBe(30);
    expect(clock.pendingTimers).toBe(1);
  });

  it('runs a timer that a timer sets, if it comes due on the way', () => {
    const clock = new ManualClock();
    const ran: number[] = [];
    clock.setTimer(() => {
      ran.push(clock.now());
      clock.setTimer(() => ran.push(clock.now()), 5);
      clock.setTimer(() => ran.push(clock.now()), 6);
    }, 10);
    clock.advance(15);
    expect(ran).toEqual([10, 15]);
  });

  it('does not run a cancelled timer, also when another timer of the same move cancels it', () => {
    const clock = new ManualClock();
    const ran: string[] = [];
    let cancelSecond = () => {};
    clock.setTimer(() => {
      ran.push('first');
      cancelSecond();
    }, 1);
    cancelSecond = clock.setTimer(() => ran.push('second'), 2);
    const cancelThird = clock.setTimer(() => ran.push('third'), 1);
    cancelThird();
    cancelThird();
    clock.advance(5);
    expect(ran).toEqual(['first']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('treats a negative delay as 0, and never runs a timer within the call that sets it', () => {
    const clock = new ManualClock(7);
    const ran: number[] = [];
    clock.setTimer(() => ran.push(clock.now()), -5);
    expect(ran).toEqual([]);
    clock.advance(0);
    expect(ran).toEqual([7]);
  });

  it.each([-1, Number.NaN, Infinity])('refuses to move by %s', (ms) => {
    expect(() => new ManualClock().advance(ms)).toThrow(/advance\.ms: expected a number from 0/);
  });
});
