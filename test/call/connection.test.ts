import { connectivityState } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { Connection } from '../../src/call/connection.js';

const { IDLE, CONNECTING, READY } = connectivityState;

describe('a call waited for its connection', () => {
  it('if it began before the first answer', () => {
    const connection = new Connection();
    connection.begins(0);
    connection.begins(40);
    connection.answered(50);
    connection.answered(60);
    expect([0, 40, 50, 55].map((ms) => connection.wasConnectingAt(ms))).toEqual([true, true, false, false]);
  });

  it('if it began before the first answer after a loss', () => {
    const connection = new Connection();
    connection.begins(0);
    connection.answered(5);
    connection.lost();
    expect(connection.wasConnectingAt(10)).toBe(true);
    connection.answered(20);
    expect([10, 20].map((ms) => connection.wasConnectingAt(ms))).toEqual([true, false]);
  });

  it('if no call had begun for more than a minute', () => {
    const connection = new Connection();
    connection.begins(0);
    connection.answered(1);
    connection.begins(60_000);
    expect(connection.wasConnectingAt(60_000)).toBe(false);
    connection.begins(120_001);
    expect(connection.wasConnectingAt(120_001)).toBe(true);
  });

  it.each([
    [READY, 1_000_000, false],
    [IDLE, 2, true],
    [CONNECTING, 2, true],
  ])('by the state %i of the channel, where that is known, and not by the time', (state, atMs, expected) => {
    const connection = new Connection();
    connection.channel = { getConnectivityState: () => READY };
    connection.begins(0);
    connection.answered(1);
    connection.channel = { getConnectivityState: () => state };
    connection.begins(atMs);
    expect(connection.wasConnectingAt(atMs)).toBe(expected);
  });

  it('does not depend on the channel of an earlier call, because the next call may come from another client', () => {
    const connection = new Connection();
    connection.channel = { getConnectivityState: () => IDLE };
    connection.begins(0);
    connection.answered(1);
    connection.begins(2);
    expect(connection.wasConnectingAt(2)).toBe(false);
  });

  it('is unknown if the channel throws', () => {
    const connection = new Connection();
    connection.begins(0);
    connection.answered(1);
    connection.channel = {
      getConnectivityState: () => {
        throw new Error('Channel has been shut down');
      },
    };
    connection.begins(2);
    expect(connection.wasConnectingAt(2)).toBe(false);
  });
});
