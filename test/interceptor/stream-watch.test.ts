import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { StreamWatch } from '../../src/interceptor/stream-watch.js';

type Step = number | 'read' | 'receive' | 'send' | 'pause' | 'stop';

function watch(converses: boolean, steps: readonly Step[]) {
  const clock = new ManualClock();
  const heard: string[] = [];
  const limits = { firstMessageTimeoutMs: 100, stallTimeoutMs: 50, abandonedAfterMs: 1_000 };
  const stream = new StreamWatch(clock, limits, converses, {
    onStuck: (details) => heard.push(details.replace('failsoft: ', '')),
    onAbandoned: () => heard.push('abandoned'),
  });
  for (const step of steps) {
    if (typeof step === 'number') clock.advance(step);
    else if (step === 'read') stream.reading();
    else if (step === 'receive') stream.received();
    else if (step === 'send') stream.sent();
    else if (step === 'pause') stream.pause();
    else stream.stop();
  }
  return { heard, longestWaitMs: stream.longestWaitMs, timers: clock.pendingTimers };
}

const FIRST = 'no first message within 100 ms';
const STALL = 'no further message within 50 ms';

describe('the watch of a stream', () => {
  it.each<[string, boolean, Step[], string[]]>([
    ['a first message just in time', false, ['read', 99, 'receive'], []],
    ['a first message at the limit', false, ['read', 100], [FIRST]],
    ['a reader who comes late', false, [90, 'read', 90], []],
    ['a reader who comes late, a server that is later', false, [90, 'read', 100], [FIRST]],
    ['a message just in time', false, ['read', 10, 'receive', 'read', 49, 'receive'], []],
    ['a stall', false, ['read', 10, 'receive', 'read', 50], [STALL]],
    [
      'a stall after many messages',
      false,
      ['read', 40, 'receive', 'read', 40, 'receive', 'read', 40, 'receive', 'read', 50],
      [STALL],
    ],
    ['a reader who pauses', false, ['read', 10, 'receive', 900, 'read', 49], []],
    ['a reader who is gone', false, ['read', 10, 'receive', 1_000], ['abandoned']],
    [
      'a reader who comes back, and a stall',
      false,
      ['read', 10, 'receive', 1_000, 'read', 50],
      ['abandoned', STALL],
    ],
    ['a reader who never came', false, [1_000], ['abandoned']],
    ['one who is heard once', false, ['read', 10_000], [FIRST]],
    ['a conversation in which nothing was asked', true, ['read', 999], []],
    ['a conversation that was left', true, ['read', 1_000], ['abandoned']],
    [
      'a conversation that was left, and is taken up',
      true,
      ['read', 1_000, 'send', 100],
      ['abandoned', FIRST],
    ],
    ['a conversation in which the server is silent', true, ['read', 500, 'send', 100], [FIRST]],
    ['a caller who goes on asking', true, ['read', 'send', 60, 'send', 40], [FIRST]],
    ['an answer, and then silence of both', true, ['read', 'send', 60, 'receive', 'read', 900], []],
    [
      'an answer, and then one that stalls',
      true,
      ['read', 'send', 60, 'receive', 'read', 500, 'send', 50],
      [STALL],
    ],
    ['nothing after the end', false, ['read', 10, 'stop', 10_000], []],
    ['no reader after the end', false, ['read', 10, 'receive', 'stop', 'read', 10_000], []],
    ['nothing in a pause', false, ['read', 10, 'receive', 'pause', 10_000], []],
    ['a stall after a pause', false, ['read', 10, 'receive', 'pause', 10_000, 'read', 50], [STALL]],
  ])('%s', (_what, converses, steps, heard) => {
    expect(watch(converses, steps).heard).toEqual(heard);
  });

  it.each<[string, Step[], number]>([
    ['the first message', ['read', 70, 'receive', 'read', 20, 'receive'], 70],
    ['the longest gap', ['read', 7, 'receive', 'read', 42, 'receive', 'read', 20, 'receive'], 42],
    ['not what the reader took', ['read', 7, 'receive', 500, 'read', 10, 'receive'], 10],
    ['the end', ['read', 7, 'receive', 'read', 30, 'stop'], 30],
  ])('measures %s', (_what, steps, expected) => {
    expect(watch(false, steps).longestWaitMs).toBe(expected);
  });

  it('leaves no timer', () => {
    expect(watch(false, ['read', 10, 'receive', 'stop']).timers).toBe(0);
  });
});
