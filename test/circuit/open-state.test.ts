import { describe, expect, it } from 'vitest';
import { endedByReady, heldByNotReady, type OpenState } from '../../src/circuit/open-state.js';

const open = (more: Partial<OpenState> = {}): OpenState => ({
  name: 'open',
  sinceMs: 0,
  untilMs: 1000,
  ...more,
});

describe('a check that found the server ready', () => {
  it('ends the open time', () => {
    expect(endedByReady(open(), 300, 0)).toEqual(open({ dueMs: 1000, untilMs: 300, isReady: true }));
  });

  it.each([1000, 1001])('changes nothing if the push-back lasts until %i', (pushbackUntilMs) => {
    const state = open();
    expect(endedByReady(state, 300, pushbackUntilMs)).toBe(state);
  });
});

describe('a check that found the server not ready', () => {
  it.each<[string, OpenState, number, number]>([
    ['holds the open time', open(), 2000, 2000],
    ['holds it at most as long as allowed', open(), 9000, 6000],
    ['never shortens it', open(), 1, 1000],
    ['never shortens an earlier hold', open({ untilMs: 5000, dueMs: 1000 }), 2000, 5000],
    [
      'takes back what an earlier "ready" changed',
      open({ untilMs: 400, dueMs: 1000, isReady: true }),
      1,
      1000,
    ],
    ['after a "ready" that ended a hold', open({ untilMs: 3000, dueMs: 1000, isReady: true }), 1, 1000],
  ])('%s', (_name, state, untilMs, expected) => {
    expect(heldByNotReady(state, untilMs, 5000)).toEqual({
      ...state,
      dueMs: 1000,
      isReady: false,
      untilMs: expected,
    });
  });
});
