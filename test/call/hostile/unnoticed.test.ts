import {
  InterceptingCall as Intercepting,
  type InterceptingCall,
  type Interceptor,
  Metadata,
  status,
} from '@grpc/grpc-js';
import {
  type ClassifyOptions,
  FallbackRegistry,
  type FallbackStrategy,
  type GuardOptions,
  type Outcome,
  type When,
} from 'failsoft';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoService, type Message } from '../../support/echo-service.js';
import { neverTrip, tripAfter } from '../../support/guard.js';
import { startGuarded } from '../../support/guarded-client.js';

const closers = closedAfterEach();

type Strategy = FallbackStrategy<Message, Message>;

const setUp = (options: GuardOptions, before: Interceptor[] = []) =>
  startGuarded(closers, options, ({ interceptor }) => [...before, interceptor]);

describe("a call with `mode: 'off'`", () => {
  const off = { failsoft: { mode: 'off' } } as const;

  it('is not counted, whether it goes well or not, nor held in flight', async () => {
    const { client, server, guard } = await setUp({ circuit: tripAfter(2) });
    let inFlight: unknown[] = [];
    server.handlers.unary = (_call, callback) => {
      inFlight = guard.snapshots().map((snapshot) => snapshot.inFlight);
      callback({ code: status.UNAVAILABLE, details: 'down' });
    };
    for (let n = 0; n < 5; n++)
      expect((await callUnary(client, 'a', off)).error?.code).toBe(status.UNAVAILABLE);
    expect(inFlight).toEqual([0]);
    const circuit = guard.circuit(echoService.unary);
    expect(circuit.snapshot()).toMatchObject({ state: 'closed', inFlight: 0, totals: { admitted: 0 } });
    expect(Object.values(circuit.snapshot().totals.outcomes)).toEqual(expect.not.arrayContaining([1, 5]));
  });

  it('passes through a circuit that rejects, and is no rejection in its totals', async () => {
    const { client, guard } = await setUp({});
    using _held = guard.circuit(echoService.unary).isolate();
    expect((await callUnary(client, 'a', off)).value?.text).toBe('echo a');
    const { totals } = guard.circuit(echoService.unary).snapshot();
    expect([totals.admitted, ...Object.values(totals.rejected)].every((count) => count === 0)).toBe(true);
  });
});

describe('an answer that was no success', () => {
  const outcomes: readonly Outcome[] = ['caller-error', 'ignored', 'failure', 'overload'];
  const byMessage = (outcome: Outcome): ClassifyOptions => ({ classifyMessage: () => outcome });
  const byRule = (outcome: Outcome): ClassifyOptions => ({ rules: [{ code: status.OK, outcome }] });
  const byTable = (outcome: Outcome): ClassifyOptions => ({ table: { [status.OK]: outcome } });
  const cases = Object.entries({ byMessage, byRule, byTable }).flatMap(([by, classify]) =>
    outcomes.flatMap((outcome) =>
      (['rejected', 'always'] as const).map((when) => [by, outcome, when, classify] as const),
    ),
  );

  function keeper(when: When) {
    const kept: string[] = [];
    const strategy: Strategy = {
      name: 'keeper',
      when,
      answer: () => undefined,
      keep: ({ response }) => void kept.push(response.text),
    };
    return { kept, fallbacks: new FallbackRegistry().register(echoService.unary, [strategy]) };
  }

  it.each(cases)('is not kept (%s: %s, by a strategy for %s)', async (_by, outcome, when, classify) => {
    const { kept, fallbacks } = keeper(when);
    const { client } = await setUp({ circuit: neverTrip(), classify: classify(outcome), fallbacks });
    expect((await callUnary(client, 'a')).value?.text).toBe('echo a'); // no fallback has a better one
    expect(kept).toEqual([]);
  });

  it('is kept where it was a success', async () => {
    const { kept, fallbacks } = keeper('rejected');
    const { client } = await setUp({ classify: byMessage('success'), fallbacks });
    await callUnary(client, 'a');
    expect(kept).toEqual(['echo a']);
  });
});

describe('the messages of a stream', () => {
  const endless: Iterable<Message> = {
    *[Symbol.iterator]() {
      for (let n = 0; ; n++) yield { text: `fallback ${n}` };
    },
  };
  const answering: Strategy = { name: 'default', answer: () => ({ message: endless, source: 'default' }) };
  const declining: Strategy = { name: 'default', answer: () => undefined };

  /** A caller that asks for messages itself, and has them written down. */
  async function asking(options: GuardOptions, isRejected: boolean) {
    const received: string[] = [];
    let call: InterceptingCall | undefined;
    const driving: Interceptor = (callOptions, nextCall) => {
      const next = nextCall(callOptions);
      const driven = new Intercepting(next, {
        start: (metadata, _listener, pass) =>
          pass(metadata, {
            onReceiveMetadata: () => undefined,
            onReceiveMessage: ({ text }: Message) => void received.push(text),
            onReceiveStatus: () => undefined,
          }),
      });
      driven.startRead = () => undefined; // the client's own
      call = new Intercepting(next);
      return driven;
    };
    const { client, server, guard } = await setUp({ circuit: neverTrip(), ...options }, [driving]);
    server.handlers.serverStream = (stream) => {
      for (let n = 0; n < 50; n++) stream.write({ text: `server ${n}` });
    };
    using _held = isRejected ? guard.circuit(echoService.serverStream).isolate() : undefined;
    const stream = client.serverStream({ text: 'a' }, new Metadata(), {});
    stream.on('error', () => undefined);
    closers.push(() => stream.cancel());
    return { received, read: () => call?.startRead() };
  }

  const inBand: ClassifyOptions = { classifyMessage: () => 'failure' };
  const registry = (strategy: Strategy) =>
    new FallbackRegistry().register(echoService.serverStream, [strategy]);
  it.each<[string, string, GuardOptions, boolean]>([
    ['the server', 'server', {}, false],
    ['the server, with a chain', 'server', { fallbacks: registry(declining) }, false],
    [
      'the server, where no fallback replaces the first',
      'server',
      { classify: inBand, fallbacks: registry(declining) },
      false,
    ],
    [
      'a fallback in place of the first',
      'fallback',
      { classify: inBand, fallbacks: registry(answering) },
      false,
    ],
    ['a fallback of a rejected call', 'fallback', { fallbacks: registry(answering) }, true],
  ])('come one for each read, and no more, from %s', async (_from, who, options, isRejected) => {
    const { received, read } = await asking(options, isRejected);
    const texts = (count: number) => Array.from({ length: count }, (_, n) => `${who} ${n}`);
    // grpc-js takes several reads before a message for one: each waits for the one before.
    for (let count = 1; count <= 4; count++) {
      read();
      await expect.poll(() => received).toEqual(texts(count));
      await new Promise((resolve) => setTimeout(resolve, 10)); // in which more would come
      expect(received).toEqual(texts(count));
    }
  });
});
