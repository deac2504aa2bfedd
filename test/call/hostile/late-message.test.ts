import { InterceptingCall, type Interceptor, Metadata, status } from '@grpc/grpc-js';
import { type Attempt, FallbackRegistry, type FallbackStrategy, perKey } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import {
  callUnary,
  echoClient,
  echoService,
  type Message,
  startEchoServer,
} from '../../support/echo-service.js';
import { createGuard, neverTrip } from '../../support/guard.js';
import { startGuarded } from '../../support/guarded-client.js';

const closers = closedAfterEach();

type Strategy = FallbackStrategy<Message, Message>;

/** Signs a message before it goes on, which takes so many turns; Infinity: for ever. */
const signing =
  (turns: number): Interceptor =>
  (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      sendMessage: (message: Message, next) => {
        let left = turns;
        const wait = () => (left-- > 0 ? setImmediate(wait) : next({ text: `signed ${message.text}` }));
        if (turns < Number.POSITIVE_INFINITY) wait();
      },
    });

const echoing: Strategy = {
  name: 'default',
  answer: ({ request, requests }) => ({
    message: { text: `${requests.length} ${request?.text}` },
    source: 'default',
  }),
};

function setUp(before: Interceptor[], strategy: Strategy = echoing, keyed = false) {
  const fallbacks = new FallbackRegistry()
    .register(echoService.unary, [strategy])
    .register(echoService.serverStream, [strategy]);
  const keyBy = perKey(({ request }) => (request as Message | undefined)?.text);
  const options = { circuit: neverTrip(), fallbacks, ...(keyed && { keyBy }) };
  return startGuarded(closers, options, ({ interceptor }) => [...before, interceptor]);
}

describe('a rejected call whose message comes late', () => {
  it.each([0, 1, 3, 20])('has its chain asked with the message (%d turns late)', async (turns) => {
    const { guard, client, server } = await setUp([signing(turns)]);
    using _held = guard.circuit(echoService.unary).isolate();
    const ended = await callUnary(client, 'a');
    expect(ended.events).toEqual(['metadata', 'value 1 signed a', 'status 0']);
    expect(server.calls.count).toBe(0);
  });

  it('has its chain asked with the message where the response is a stream, too', async () => {
    const { guard, client } = await setUp([signing(3)]);
    using _held = guard.circuit(echoService.serverStream).isolate();
    const call = client.serverStream({ text: 'a' }, new Metadata(), {});
    const texts: string[] = [];
    call.on('data', ({ text }: Message) => texts.push(text));
    await new Promise((resolve) => call.on('status', resolve));
    expect(texts).toEqual(['1 signed a']);
  });

  it('waits no longer than its deadline', async () => {
    const asked: unknown[] = [];
    const asking: Strategy = {
      name: 'default',
      answer: ({ requests }) => {
        asked.push(requests.length);
        return undefined;
      },
    };
    const { guard, client } = await setUp([signing(Number.POSITIVE_INFINITY)], asking);
    using _held = guard.circuit(echoService.unary).isolate();
    const ended = await callUnary(client, 'a', { deadline: Date.now() + 40 });
    expect(ended.status.code).toBe(status.DEADLINE_EXCEEDED);
    expect(asked.every((count) => count === 0)).toBe(true);
  });

  it('ends at once when its caller cancels it meanwhile', async () => {
    const { guard, client } = await setUp([signing(Number.POSITIVE_INFINITY)]);
    using _held = guard.circuit(echoService.unary).isolate();
    const ended = await callUnary(client, 'a', { onCall: (call) => setImmediate(() => call.cancel()) });
    expect(ended.events).toEqual(['error 1', 'status 1']);
  });

  it('is one call whose chain is asked once, however often its message comes', async () => {
    let asked = 0;
    const counting: Strategy = {
      name: 'default',
      answer: ({ request }) => {
        asked++;
        return { message: request, source: 'default' };
      },
    };
    const { guard, client } = await setUp([signing(2)], counting);
    using _held = guard.circuit(echoService.unary).isolate();
    const ended = await Promise.all(['a', 'b', 'c'].map((text) => callUnary(client, text)));
    expect(ended.map(({ value }) => value?.text)).toEqual(['signed a', 'signed b', 'signed c']);
    expect(asked).toBe(3);
  });
});

it('a call that fails before its caller has sent all has its chain asked with all of it', async () => {
  const fallbacks = new FallbackRegistry().register(echoService.clientStream, [echoing]);
  let failed: () => void = () => undefined;
  const hasFailed = new Promise<void>((resolve) => {
    failed = resolve;
  });
  const noting: Interceptor = (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) =>
        next(metadata, {
          onReceiveStatus: (received, pass) => {
            pass(received);
            failed();
          },
        }),
    });
  const { client, server } = await startGuarded(closers, { circuit: neverTrip(), fallbacks }, (guard) => [
    guard.interceptor,
    noting,
  ]);
  server.handlers.clientStream = (_call, callback) => callback({ code: status.UNAVAILABLE });
  const answer = await new Promise<Message | undefined>((resolve) => {
    const call = client.clientStream(new Metadata(), {}, (_error, value) => resolve(value));
    call.write({ text: 'a' });
    void hasFailed.then(() => {
      call.write({ text: 'b' });
      call.end();
    });
  });
  expect(answer?.text).toBe('2 a');
});

describe('a strategy that changes what it is given', () => {
  it('does not make the list of attempts longer, nor the call endless', async () => {
    const grown: Attempt = { strategy: 'made up', result: 'declined' };
    const pushing: Strategy = {
      name: 'pushing',
      answer: ({ attempts }) => {
        for (let n = 0; n < 10; n++) (attempts as Attempt[]).push(grown);
        return undefined;
      },
    };
    const seen: (readonly string[])[] = [];
    const last: Strategy = {
      name: 'default',
      answer: ({ attempts }) => {
        seen.push(attempts.map(({ strategy, result }) => `${strategy} ${result}`));
        return { message: { text: 'fallback' }, source: 'default' };
      },
    };
    const server = await startEchoServer();
    const fallbacks = new FallbackRegistry().register(echoService.unary, [pushing, pushing, last]);
    const guard = createGuard({ fallbacks });
    const client = echoClient(server.address, { interceptors: [guard.interceptor] });
    closers.push(
      () => server.close(),
      () => client.close(),
      () => guard.close(),
    );
    using _held = guard.circuit(echoService.unary).isolate();
    for (let n = 0; n < 2; n++) {
      const ended = await callUnary(client, 'a', { deadline: Date.now() + 5_000 });
      expect(ended.events).toEqual(['metadata', 'value fallback', 'status 0']);
    }
    // It throws, as every change of a frozen list does: an attempt that failed, for each call anew.
    expect(seen).toEqual([
      ['pushing failed', 'pushing failed'],
      ['pushing failed', 'pushing failed'],
    ]);
  });
});
