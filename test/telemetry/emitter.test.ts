import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Emitter, guardEmitter } from '../../src/telemetry/emitter.js';
import type { TransitionEvent, WarningEvent } from '../../src/telemetry/events.js';
import { Warnings } from '../../src/telemetry/warnings.js';
import { closedAfterEach } from '../support/closers.js';

const closers = closedAfterEach();

interface Events {
  transition: { readonly circuit: string };
  degraded: { readonly method: string; readonly circuit: string };
  asked: { readonly method: string };
  plain: { readonly text: string };
}

/** The process warnings of ours, as they come. */
function warnings(): string[] {
  const heard: string[] = [];
  const onWarning = ({ name, message }: Error) => name === 'FailsoftWarning' && heard.push(message);
  process.on('warning', onWarning);
  closers.push(() => process.removeListener('warning', onWarning));
  return heard;
}

const failing = {
  throws: () => {
    throw new Error('no luck');
  },
  rejects: (): unknown => Promise.reject(new Error('no luck')),
};

describe('an emitter', () => {
  describe.each(Object.entries(failing))('with a listener that %s', (_how, listener) => {
    it.each([
      ['transition', { circuitKey: '/a.B/C#m' }, "a listener of 'transition' (/a.B/C#m): Error: no luck\n"],
      [
        'degraded',
        { method: '/a.B/C', circuitKey: '/a.B/C#m' },
        "a listener of 'degraded' (/a.B/C#m): Error:",
      ],
      ['asked', { method: '/a.B/C' }, "a listener of 'asked' (/a.B/C): Error: no luck\n"],
      ['plain', { text: 'no circuit' }, "a listener of 'plain': Error: no luck\n"],
    ] as const)('names the event %s and what it is about, and goes on', async (name, event, expected) => {
      const heard = warnings();
      const emitter = new Emitter<Events>();
      const after: unknown[] = [];
      emitter.on(name, listener as () => void);
      emitter.on(name, (told) => after.push(told));
      emitter.emit(name, event as Events[typeof name]);
      expect(after).toEqual([event]);
      await expect.poll(() => heard).toEqual([expect.stringContaining(expected)]);
    });
  });

  it.each([
    ['an object', { code: 7 }, '{ code: 7 }'],
    ['an object that is no text', Object.create(null), 'Object: null prototype'],
    ['text', 'no luck', "a listener of 'plain': no luck"],
  ])('goes on where a listener throws %s', async (_what, thrown: unknown, expected) => {
    const heard = warnings();
    const emitter = new Emitter<Events>();
    const after: unknown[] = [];
    emitter.on('plain', () => {
      throw thrown;
    });
    emitter.on('plain', ({ text }) => after.push(text));
    emitter.emit('plain', { text: 'a' });
    expect(after).toEqual(['a']);
    await expect.poll(() => heard).toEqual([expect.stringContaining(expected)]);
  });

  it('gives no more events after an unsubscription, or when it was cleared', () => {
    const emitter = new Emitter<Events>();
    const heard: string[] = [];
    const leave = emitter.on('plain', () => heard.push('left'));
    emitter.on('plain', () => heard.push('stayed'));
    expect(emitter.hasListeners('plain')).toBe(true);
    leave();
    emitter.emit('plain', { text: 'a' });
    emitter.clear();
    emitter.emit('plain', { text: 'b' });
    expect(heard).toEqual(['stayed']);
    expect(emitter.hasListeners('plain')).toBe(false);
  });

  it('the same listener subscribed twice is called twice, and each subscription ends alone', () => {
    const emitter = new Emitter<Events>();
    const heard: string[] = [];
    const listener = ({ text }: Events['plain']) => heard.push(text);
    const leaves = [emitter.on('plain', listener), emitter.on('plain', listener)];
    emitter.emit('plain', { text: 'a' });
    leaves[0]?.();
    leaves[0]?.();
    emitter.emit('plain', { text: 'b' });
    leaves[1]?.();
    emitter.emit('plain', { text: 'c' });
    expect(heard).toEqual(['a', 'a', 'b']);
  });

  it('publishes nothing on its channel if a listener has cleared it', () => {
    const name = 'failsoft-test:cleared';
    const published: unknown[] = [];
    const subscriber = (event: unknown) => published.push(event);
    subscribe(name, subscriber);
    onTestFinished(() => void unsubscribe(name, subscriber));
    const emitter = new Emitter<Events>(undefined, { plain: channel(name) });
    emitter.emit('plain', { text: 'a' });
    emitter.on('plain', () => emitter.clear());
    emitter.emit('plain', { text: 'b' });
    expect(published).toEqual([{ text: 'a' }]);
  });

  it('a listener that subscribes or unsubscribes others while it runs disturbs no event', () => {
    const emitter = new Emitter<Events>();
    const heard: string[] = [];
    emitter.on('plain', () => {
      leave();
      emitter.on('plain', () => heard.push('new'));
    });
    const leave = emitter.on('plain', () => heard.push('left'));
    emitter.on('plain', () => heard.push('last'));
    emitter.emit('plain', { text: 'a' });
    expect(heard).toEqual(['last']);
  });
});

describe("a guard's emitter", () => {
  const transition = (circuit: string): TransitionEvent => ({
    circuitKey: circuit,
    from: 'closed',
    to: 'open',
    reason: 'by hand',
    atMs: 0,
    openings: 1,
    mode: 'enforce',
  });

  it('writes one warning for a listener that always throws, and counts the others as events', async () => {
    const heard = warnings();
    const emitter = guardEmitter();
    const counted: WarningEvent[] = [];
    emitter.on('warning', (event) => counted.push(event));
    let calls = 0;
    emitter.on('transition', () => {
      calls += 1;
      throw new Error(`no luck the ${calls}th time`);
    });
    for (let i = 0; i < 100; i++) emitter.emit('transition', transition(`/a.B/C#${i}`));
    expect(counted.map(({ count }) => count)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(counted[6]).toMatchObject({
      source: "a listener of 'transition'",
      error: expect.objectContaining({ message: 'no luck the 7th time' }),
    });
    await expect.poll(() => heard.length).toBeGreaterThan(0);
    expect(heard).toEqual([expect.stringContaining('no luck the 1th time')]);
  });

  it('a listener of warnings that throws is not called for its own error', async () => {
    const heard = warnings();
    const emitter = guardEmitter();
    let calls = 0;
    emitter.on('warning', () => {
      calls += 1;
      throw new Error('a warning about a warning');
    });
    emitter.on('transition', failing.throws);
    for (let i = 0; i < 3; i++) emitter.emit('transition', transition('/a.B/C'));
    expect(calls).toBe(3);
    await expect.poll(() => heard.length).toBe(2);
  });
});

describe('warnings', () => {
  /** Reports the errors one after the other; gives what was written. */
  async function written(errors: readonly [source: string, error: unknown][]): Promise<string[]> {
    const heard = warnings();
    const reported: WarningEvent[] = [];
    const all = new Warnings((event) => reported.push(event));
    for (const [source, error] of errors) all.report(error, source);
    expect(reported.map(({ source, error }) => [source, error])).toEqual(errors);
    await expect.poll(() => heard.length).toBeGreaterThan(0);
    return heard.map((text) => text.split('\n', 1)[0] ?? '');
  }

  it('are written once for each source, and again when the error changes', async () => {
    expect(
      await written([
        ['keyBy', 'a'],
        ['keyBy', 'a'],
        ['classify', 'a'],
        ['keyBy', 'b'],
        ['keyBy', 'a'],
        ['keyBy', 'b'],
        ['keyBy', new TypeError('a')],
      ]),
    ).toEqual(['keyBy: a', 'classify: a', 'keyBy: b', 'keyBy: TypeError: a']);
  });

  it('of a source are bounded', async () => {
    const lines = await written(
      Array.from({ length: 200 }, (_, i) => ['keyBy', 'x'.repeat(i + 1)] as [string, string]),
    );
    expect(lines).toHaveLength(8);
  });

  it('forget the oldest of very many sources', async () => {
    const lines = await written(
      Array.from({ length: 3000 }, (_, i) => [`source ${i % 1500}`, 'a'] as [string, string]),
    );
    expect(lines).toHaveLength(3000);
  });

  it('survive a thrown value whose getters throw', async () => {
    const hostile = Object.defineProperty(new Error('x'), 'stack', {
      get: () => {
        throw new Error('stack');
      },
    });
    expect(await written([['keyBy', hostile]])).toEqual(['keyBy: something that cannot be shown']);
  });
});
