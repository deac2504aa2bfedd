import { describe, expect, it } from 'vitest';
import { Emitter } from '../../src/telemetry/emitter.js';
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
      ['transition', { circuit: '/a.B/C#m' }, "a listener of 'transition' (/a.B/C#m): Error: no luck\n"],
      ['degraded', { method: '/a.B/C', circuit: '/a.B/C#m' }, "a listener of 'degraded' (/a.B/C#m): Error:"],
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

  it('says nothing more to who has left, or when it was cleared', () => {
    const emitter = new Emitter<Events>();
    const heard: string[] = [];
    const leave = emitter.on('plain', () => heard.push('left'));
    emitter.on('plain', () => heard.push('stayed'));
    expect(emitter.hears('plain')).toBe(true);
    leave();
    emitter.emit('plain', { text: 'a' });
    emitter.clear();
    emitter.emit('plain', { text: 'b' });
    expect(heard).toEqual(['stayed']);
    expect(emitter.hears('plain')).toBe(false);
  });
});
