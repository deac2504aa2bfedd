import { getEventListeners } from 'node:events';
import { status } from '@grpc/grpc-js';
import {
  circuitRejectionOf,
  consecutiveFailures,
  createGuard,
  FallbackRegistry,
  type GuardOptions,
} from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { jsonMethod } from '../../support/json-method.js';
import { uncaughtErrors } from '../../support/uncaught.js';

interface Token {
  readonly text: string;
}
const GENERATE = jsonMethod<Token, Token>('/llm.Generator/Generate', { responseStream: true });
const prompt: Token = { text: 'hello' };

const make = (options: GuardOptions = {}) =>
  createGuard({ circuit: { trip: [consecutiveFailures({ failures: 2 })], recovering: false }, ...options });

const canned = () =>
  new FallbackRegistry().register(GENERATE, [
    { name: 'canned', answer: () => ({ message: [{ text: 'try' }, { text: 'later' }], source: 'canned' }) },
  ]);

async function* tokens(...texts: string[]): AsyncGenerator<Token> {
  for (const text of texts) yield { text };
}

const failing = (error: Error, ...texts: string[]) =>
  async function* () {
    yield* tokens(...texts);
    throw error;
  };

async function textsOf(stream: AsyncIterable<Token>): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text } of stream) texts.push(text);
  return texts;
}

const outcomes = (guard: ReturnType<typeof make>) => guard.circuit(GENERATE).snapshot().totals.outcomes;
const down = Object.assign(new Error('down'), { code: 14, details: 'down' });

describe('guard.callStream', () => {
  it('gives the messages, and does nothing before it is read', async () => {
    const guard = make();
    let begun = 0;
    const stream = guard.callStream(GENERATE, prompt, () => {
      begun++;
      return tokens('a', 'b');
    });
    expect(begun).toBe(0);
    expect(await stream.ready()).toMatchObject({ source: 'primary' });
    expect(await textsOf(stream)).toEqual(['a', 'b']);
    expect(outcomes(guard).success).toBe(1);
    expect(guard.circuit(GENERATE).inFlight).toBe(0);
    expect(guard.answers()).toEqual([expect.objectContaining({ source: 'primary', count: 1 })]);
  });

  it('falls back before the first message only', async () => {
    const guard = make({ fallbacks: canned() });
    const replaced = guard.callStream(GENERATE, prompt, failing(down));
    expect(await replaced.ready()).toMatchObject({ source: 'canned', cause: 'UNAVAILABLE', degraded: true });
    expect(replaced.label?.get('failsoft-source')).toEqual(['canned']);
    expect(await textsOf(replaced)).toEqual(['try', 'later']);
    const broken = guard.callStream(GENERATE, prompt, failing(down, 'a'));
    expect(await broken.next()).toEqual({ done: false, value: { text: 'a' } });
    await expect(broken.next()).rejects.toBe(down);
    expect(await broken.next()).toEqual({ done: true, value: undefined });
    const rejected = guard.callStream(GENERATE, prompt, () => tokens('a'));
    expect(await textsOf(rejected)).toEqual(['try', 'later']);
    expect(rejected.provenance.cause).toBe('CIRCUIT_OPEN');
    expect(outcomes(guard).failure).toBe(2);
  });

  it('rejects without a call, where no fallback answers', async () => {
    const guard = make();
    for (let n = 0; n < 2; n++)
      await expect(textsOf(guard.callStream(GENERATE, prompt, failing(down)))).rejects.toBe(down);
    let begun = 0;
    const refused = guard.callStream(GENERATE, prompt, () => {
      begun++;
      return tokens();
    });
    const error: unknown = await refused.ready().catch((thrown: unknown) => thrown);
    expect(circuitRejectionOf(error)?.reason).toBe('CIRCUIT_OPEN');
    expect(begun).toBe(0);
  });

  it.each<[string, () => never]>([
    [
      'next',
      () => {
        throw down;
      },
    ],
    [
      'its iterator',
      () =>
        ({
          [Symbol.asyncIterator]: () => {
            throw down;
          },
        }) as never,
    ],
  ])('counts an error of %s', async (_what, next) => {
    const guard = make();
    await expect(textsOf(guard.callStream(GENERATE, prompt, next))).rejects.toBe(down);
    expect(outcomes(guard).failure).toBe(1);
    expect(guard.circuit(GENERATE).inFlight).toBe(0);
  });

  it('gives the permit back when its reader leaves, and ends the source', async () => {
    const guard = make();
    let closed = 0;
    let aborted = false;
    const stream = guard.callStream(GENERATE, prompt, async function* ({ signal }) {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      try {
        yield* tokens('a', 'b', 'c');
      } finally {
        closed++;
      }
    });
    for await (const _ of stream) break;
    await expect.poll(() => closed).toBe(1);
    expect(aborted).toBe(true);
    expect(outcomes(guard)).toMatchObject({ ignored: 1, success: 0 });
    expect(guard.circuit(GENERATE).inFlight).toBe(0);
  });

  it('emits its end if its reader leaves between two messages', async () => {
    const guard = make();
    const ended: string[] = [];
    guard.on('call', ({ outcome, status: code }) => void ended.push(`${outcome} ${code}`));
    for await (const _message of guard.callStream(GENERATE, prompt, () => tokens('a', 'b'))) break;
    expect(ended).toEqual([`ignored ${status.CANCELLED}`]);
    expect(outcomes(guard).ignored).toBe(1);
  });

  it('survives a fallback whose stream throws when it is opened, and a port that throws at its deadline', async () => {
    const { signal } = new AbortController();
    const odd = {
      [Symbol.asyncIterator]: () => {
        throw new Error('not opened');
      },
    };
    const endless = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
    for (const [message, expected, timeoutMs] of [
      [odd, 'not opened', 60_000],
      [endless, /DEADLINE_EXCEEDED/, 500],
    ] as const) {
      const fallbacks = new FallbackRegistry().register(GENERATE, [
        { name: 'odd', answer: () => ({ message: message as AsyncIterable<Token>, source: 'odd' }) },
      ]);
      const guard = make({ fallbacks });
      const errorOf = () => {
        throw new Error('a bug of the port');
      };
      const options = { signal, deadline: Date.now() + timeoutMs, errorOf };
      const down = failing(Object.assign(new Error('down'), { code: 14, details: 'down' }));
      await expect(textsOf(guard.callStream(GENERATE, prompt, down, options))).rejects.toThrow(expected);
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
      expect(guard.circuit(GENERATE).inFlight).toBe(0);
    }
  });

  it('has its deadline in the stream of a fallback, and reports a port that throws', async () => {
    const clock = new ManualClock();
    const hanging = async function* () {
      yield* tokens('try');
      await new Promise(() => {});
    };
    const fallbacks = new FallbackRegistry().register(GENERATE, [
      { name: 'slow', answer: () => ({ message: hanging(), source: 'slow' }) },
    ]);
    const guard = make({ clock, fallbacks });
    const warnings: string[] = [];
    guard.on('warning', ({ source }) => warnings.push(source));
    const errorOf = () => {
      throw new Error('a bug of the port');
    };
    for (const port of [{}, { errorOf }]) {
      const options = { ...port, deadline: Date.now() + 60_000 };
      const stream = guard.callStream(GENERATE, prompt, failing(down), options);
      expect(await stream.next()).toEqual({ done: false, value: { text: 'try' } });
      const next = stream.next();
      next.catch(() => {});
      await new Promise(setImmediate);
      clock.advance(60_001);
      await expect(next).rejects.toMatchObject({
        code: status.DEADLINE_EXCEEDED,
        details: "failsoft: deadline exceeded in a fallback's stream",
      });
    }
    expect(warnings).toEqual([`the port of ${GENERATE.path}`]);
  });

  it.each(['failed', 'rejected'])(
    'can be left while a fallback is asked, where the call %s',
    async (kind) => {
      let signal: AbortSignal | undefined;
      const fallbacks = new FallbackRegistry().register(GENERATE, [
        {
          name: 'hanging',
          answer: (question) => {
            signal = question.signal;
            return new Promise<never>(() => {});
          },
        },
      ]);
      const guard = make({ fallbacks });
      if (kind === 'was rejected') guard.circuit(GENERATE).isolate();
      const stream = guard.callStream(GENERATE, prompt, failing(down));
      const waiting = stream.next();
      await expect.poll(() => signal?.aborted).toBe(false);
      await stream.return();
      expect(await waiting).toEqual({ done: true, value: undefined });
      expect(signal?.aborted).toBe(true);
      expect(guard.answers()).toEqual([]); // nobody got an answer, or an error
    },
  );

  it('can be left while it waits for the server', async () => {
    const guard = make();
    const stream = guard.callStream(GENERATE, prompt, () => ({
      [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }),
    }));
    const waiting = stream.next();
    await expect.poll(() => guard.circuit(GENERATE).inFlight).toBe(1);
    await stream.return();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(guard.circuit(GENERATE).inFlight).toBe(0);
    const unread = guard.callStream(GENERATE, prompt, () => tokens('a'));
    await unread.return();
    expect(await unread.next()).toEqual({ done: true, value: undefined });
  });

  it('is ignored when its caller cancels', async () => {
    const guard = make({ fallbacks: canned() });
    const controller = new AbortController();
    const stream = guard.callStream(
      GENERATE,
      prompt,
      () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }),
      { signal: controller.signal },
    );
    const waiting = stream.next();
    await expect.poll(() => guard.circuit(GENERATE).inFlight).toBe(1);
    const gone = new Error('gone');
    controller.abort(gone);
    await expect(waiting).rejects.toBe(gone);
    expect(outcomes(guard)).toMatchObject({ ignored: 1, failure: 0 });
  });

  it.each([
    ['first message', [], 'firstMessageTimeoutMs'],
    ['a later message', ['a'], 'stallTimeoutMs'],
  ])('has a time limit for %s', async (_what, texts, option) => {
    const clock = new ManualClock();
    const guard = make({ clock, [option]: 500 });
    const stream = guard.callStream(GENERATE, prompt, async function* () {
      yield* tokens(...texts);
      await new Promise(() => {});
    });
    for (const _ of texts) await stream.next();
    const stuck = stream.next();
    stuck.catch(() => {});
    await expect.poll(() => clock.pendingTimers).toBeGreaterThan(0);
    await new Promise(setImmediate);
    clock.advance(499);
    clock.advance(2);
    await expect(stuck).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    expect(outcomes(guard).failure).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('falls back when the first message does not come in the time that is not reserved', async () => {
    const clock = new ManualClock();
    const timed = make({ fallbacks: canned(), fallbackReserveMs: 100_000, clock });
    const stream = timed.callStream(GENERATE, prompt, () => new Promise<never>(() => {}), {
      deadline: Date.now() + 200_000,
    });
    const ready = stream.ready();
    await expect.poll(() => clock.pendingTimers).toBeGreaterThan(0);
    await new Promise(setImmediate);
    clock.advance(100_001);
    expect(await ready).toMatchObject({ source: 'canned', cause: 'DEADLINE_EXCEEDED' });
    expect(await textsOf(stream)).toEqual(['try', 'later']);
  });

  it('gives the permit of an idle stream back; the stream goes on', async () => {
    const clock = new ManualClock();
    const guard = make({ clock, abandonedAfterMs: 1_000 });
    const stream = guard.callStream(GENERATE, prompt, () => tokens('a', 'b'));
    await stream.next();
    expect(guard.circuit(GENERATE).inFlight).toBe(1);
    clock.advance(1_001);
    expect(guard.circuit(GENERATE).inFlight).toBe(0);
    expect(await textsOf(stream)).toEqual(['b']);
    expect(outcomes(guard).ignored).toBe(1);
  });

  it('closes a circuit by the first message of a probe', async () => {
    const clock = new ManualClock();
    const guard = make({ clock });
    for (let n = 0; n < 2; n++)
      await textsOf(guard.callStream(GENERATE, prompt, failing(down))).catch(() => {});
    clock.advance(60_000);
    const probes: string[] = [];
    guard.on('probe', ({ kind, outcome }) => probes.push(`${kind} ${outcome}`));
    const probe = guard.callStream(GENERATE, prompt, () => tokens('a', 'b'));
    await probe.next();
    expect(guard.circuit(GENERATE).state).toBe('closed');
    await probe.return();
    await textsOf(guard.callStream(GENERATE, prompt, () => tokens('a')));
    expect(probes).toEqual(['call success']); // it settles again at its end
  });

  it('judges messages: a bad first message is replaced, or given where no fallback answers', async () => {
    const classify = {
      classifyMessage: (token: unknown) => ((token as Token).text === '' ? ('failure' as const) : undefined),
    };
    const replaced = make({ classify, fallbacks: canned() });
    expect(await textsOf(replaced.callStream(GENERATE, prompt, () => tokens('', 'b')))).toEqual([
      'try',
      'later',
    ]);
    const guard = make({ classify });
    expect(await textsOf(guard.callStream(GENERATE, prompt, () => tokens('a', '')))).toEqual(['a', '']);
    expect(outcomes(guard).failure).toBe(1);
  });

  it('passes as without a guard', async () => {
    const guard = make();
    await guard.close();
    expect(await textsOf(guard.callStream(GENERATE, prompt, () => tokens('a', 'b')))).toEqual(['a', 'b']);
    for await (const _ of guard.callStream(GENERATE, prompt, () => tokens('a', 'b'))) break;
    const expired = guard.callStream(GENERATE, prompt, () => new Promise<never>(() => {}), {
      deadline: Date.now() + 10,
    });
    await expect(expired.next()).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  });

  it('leaves no error uncaught, and no permit out, in a thousand streams with every end', async () => {
    const closers: (() => unknown)[] = [];
    onTestFinished(() => {
      for (const close of closers) close();
    });
    const uncaught = uncaughtErrors(closers);
    const guard = make({ fallbacks: canned() });
    await Promise.all(
      Array.from({ length: 1000 }, async (_, n) => {
        const controller = new AbortController();
        const next =
          n % 3 === 0 ? failing(down, 'a') : n % 3 === 1 ? failing(down) : () => tokens('a', 'b', 'c');
        const stream = guard.callStream(GENERATE, prompt, next, {
          signal: controller.signal,
          mode: 'observe',
        });
        if (n % 5 === 0) controller.abort();
        if (n % 7 === 0) queueMicrotask(() => controller.abort());
        if (n % 11 === 0) await stream.return();
        for await (const _ of stream) if (n % 4 === 0) break;
      }).map((each) => each.catch(() => {})),
    );
    await new Promise(setImmediate);
    expect(uncaught).toEqual([]);
    expect(guard.circuit(GENERATE).inFlight).toBe(0);
  });
});
