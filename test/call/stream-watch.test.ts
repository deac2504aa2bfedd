import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { type StreamKind, StreamWatch } from '../../src/call/stream-watch.js';

type Step = number | 'read' | 'receive' | 'send' | 'end' | 'stop';

const SERVER = { requestStream: false, responseStream: true };
const CLIENT = { requestStream: true, responseStream: false };
const BIDI = { requestStream: true, responseStream: true };

function watch(kind: StreamKind, steps: readonly Step[]) {
  const clock = new ManualClock();
  const heard: string[] = [];
  const limits = { firstMessageTimeoutMs: 100, stallTimeoutMs: 50, abandonedAfterMs: 1_000 };
  const stream = new StreamWatch(clock, limits, kind, {
    onStuck: (details) => heard.push(details.replace('failsoft: ', '')),
    onAbandoned: () => heard.push('abandoned'),
  });
  for (const step of steps) {
    if (typeof step === 'number') clock.advance(step);
    else if (step === 'read') stream.reading();
    else if (step === 'receive') stream.received();
    else if (step === 'send') stream.sent();
    else if (step === 'end') stream.halfClosed();
    else stream.stop();
  }
  return { heard, longestWaitMs: stream.longestWaitMs, timers: clock.pendingTimers };
}

const FIRST = 'no first message within 100 ms';
const STALL = 'no further message within 50 ms';

describe('the watch of a stream', () => {
  it.each<[string, StreamKind, Step[], string[]]>([
    ['a first message just in time', SERVER, ['read', 99, 'receive'], []],
    ['a first message at the limit', SERVER, ['read', 100], [FIRST]],
    ['a reader who comes late', SERVER, [90, 'read', 90], []],
    ['a reader who comes late, a server that is later', SERVER, [90, 'read', 100], [FIRST]],
    ['a message just in time', SERVER, ['read', 10, 'receive', 'read', 49, 'receive'], []],
    ['a stall', SERVER, ['read', 10, 'receive', 'read', 50], [STALL]],
    [
      'a stall after many messages',
      SERVER,
      ['read', 40, 'receive', 'read', 40, 'receive', 'read', 40, 'receive', 'read', 50],
      [STALL],
    ],
    ['a reader who pauses', SERVER, ['read', 10, 'receive', 900, 'read', 49], []],
    ['a reader who is gone', SERVER, ['read', 10, 'receive', 1_000], ['abandoned']],
    [
      'a reader who comes back, and a stall',
      SERVER,
      ['read', 10, 'receive', 1_000, 'read', 50],
      ['abandoned', STALL],
    ],
    ['a reader who never came', SERVER, [1_000], ['abandoned']],
    ['one who is heard once', SERVER, ['read', 10_000], [FIRST]],
    ['a conversation in which nothing was asked', BIDI, ['read', 999], []],
    ['a conversation that was left', BIDI, ['read', 1_000], ['abandoned']],
    [
      'a conversation whose caller asks again for the same message',
      BIDI,
      ['read', 600, 'read', 400],
      ['abandoned'],
    ],
    [
      'a conversation that was left, and is taken up',
      BIDI,
      ['read', 1_000, 'send', 100],
      ['abandoned', FIRST],
    ],
    ['a conversation in which the server is silent', BIDI, ['read', 500, 'send', 100], [FIRST]],
    ['a caller who goes on asking', BIDI, ['read', 'send', 60, 'send', 40], [FIRST]],
    ['an answer, and then silence of both', BIDI, ['read', 'send', 60, 'receive', 'read', 900], []],
    [
      'an answer, and then one that stalls',
      BIDI,
      ['read', 'send', 60, 'receive', 'read', 500, 'send', 50],
      [STALL],
    ],
    [
      'a conversation that is taken up, and left again',
      BIDI,
      ['read', 1_000, 'send', 'receive', 5_000],
      ['abandoned'],
    ],
    [
      'an answer that goes on after the caller has sent all',
      BIDI,
      ['send', 'end', 'read', 60, 'receive', 'read', 50],
      [STALL],
    ],
    ['a caller who has sent all, and does not read', BIDI, ['send', 'end', 1_000], ['abandoned']],
    ['a caller who sends and does not read', BIDI, ['send', 900, 'send', 900, 'send', 999], []],
    ['a caller who sends, does not read, and stops', BIDI, ['send', 900, 'send', 1_000], ['abandoned']],
    ['a request that is sent', CLIENT, [999, 'send', 999, 'send', 999, 'end'], []],
    ['a request that is never begun', CLIENT, [1_000], ['abandoned']],
    ['a request that is never finished', CLIENT, ['send', 900, 'send', 1_000], ['abandoned']],
    ['a request that is left twice', CLIENT, ['send', 1_000, 'send', 5_000], ['abandoned']],
    ['a request that is answered late', CLIENT, ['send', 'end', 100_000], []],
    ['nothing after the end', SERVER, ['read', 10, 'stop', 10_000], []],
    ['no reader after the end', SERVER, ['read', 10, 'receive', 'stop', 'read', 10_000], []],
  ])('%s', (_what, kind, steps, heard) => {
    expect(watch(kind, steps).heard).toEqual(heard);
  });

  it.each<[string, Step[], number]>([
    ['the first message', ['read', 70, 'receive', 'read', 20, 'receive'], 70],
    ['the longest gap', ['read', 7, 'receive', 'read', 42, 'receive', 'read', 20, 'receive'], 42],
    ['not what the reader took', ['read', 7, 'receive', 500, 'read', 10, 'receive'], 10],
    ['the end', ['read', 7, 'receive', 'read', 30, 'stop'], 30],
    ['no end for which nobody waited', ['read', 7, 'receive', 30, 'stop'], 7],
  ])('measures %s', (_what, steps, expected) => {
    expect(watch(SERVER, steps).longestWaitMs).toBe(expected);
  });

  it('ends a wait for the first message that reaches into the time of the fallbacks', () => {
    const clock = new ManualClock();
    const heard: string[] = [];
    const limits = { firstMessageTimeoutMs: 500, stallTimeoutMs: 500, abandonedAfterMs: 1_000 };
    const stream = new StreamWatch(clock, limits, SERVER, {
      onStuck: (details) => heard.push(details),
      onAbandoned: () => heard.push('abandoned'),
    });
    stream.firstMessageBy(30);
    stream.reading();
    clock.advance(29);
    expect(heard).toEqual([]);
    clock.advance(1);
    expect(heard).toEqual(['failsoft: no first message in the time that is not kept for fallbacks']);
  });

  it('reports an abandoned stream, and still ends a stuck stream', () => {
    const clock = new ManualClock();
    const heard: string[] = [];
    const limits = { firstMessageTimeoutMs: 500, stallTimeoutMs: 500, abandonedAfterMs: 100 };
    const stream = new StreamWatch(clock, limits, BIDI, {
      onStuck: (details) => heard.push(details),
      onAbandoned: () => heard.push(`abandoned at ${clock.now()}`),
    });
    stream.sent();
    stream.reading();
    clock.advance(10_000);
    expect(heard).toEqual(['abandoned at 100', 'failsoft: no first message within 500 ms']);
  });

  it.each([
    ['a server stream', SERVER, ['read', 10, 'receive', 'stop']],
    ['a conversation', BIDI, ['read', 'send', 10, 'receive', 'end', 'stop']],
    ['a client stream', CLIENT, ['send', 'end', 'stop']],
    ['a client stream that was left', CLIENT, ['send', 1_000]],
  ] satisfies [string, StreamKind, Step[]][])('leaves no timer (%s)', (_what, kind, steps) => {
    expect(watch(kind, steps).timers).toBe(0);
  });
});
