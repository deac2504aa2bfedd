import {
  type CallOptions,
  InterceptingCall,
  type Interceptor,
  Metadata,
  type ServerUnaryCall,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import {
  type Answer,
  circuitRejectionOf,
  defaultPrediction,
  FallbackRegistry,
  type FallbackStrategy,
  type FinishedCall,
  type GuardOptions,
  type Outcome,
  perKey,
  provenanceOf,
} from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import {
  callUnary,
  type EchoClient,
  echoClient,
  echoService,
  type Message,
  startEchoServer,
} from '../support/echo-service.js';
import { createGuard, neverTrip } from '../support/guard.js';
import { uncaughtErrors } from '../support/uncaught.js';

const closers = closedAfterEach();

async function setUp(options: GuardOptions = {}) {
  const server = await startEchoServer();
  const guard = createGuard({ circuit: neverTrip(), ...options });
  const client = echoClient(server.address, { interceptors: [guard.interceptor] });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  return { server, client, guard };
}

type Method = 'unary' | 'clientStream' | 'serverStream' | 'bidi';
type Strategy = FallbackStrategy<Message, Message>;
const registry = (method: Method, ...strategies: Strategy[]) =>
  new FallbackRegistry().register(echoService[method], strategies);
const giving = (answer: Partial<Answer<Message>>): Strategy => ({
  name: 'default',
  answer: () => ({ message: { text: 'fallback' }, source: 'default', ...answer }),
});
const failing = (_call: unknown, callback: (error: object) => void) =>
  callback({ code: status.UNAVAILABLE, details: 'as told' });
const inBand = (message: unknown): Outcome | undefined =>
  (message as Message).text.startsWith('error') ? 'failure' : undefined;
const byText = perKey(({ request }) => (request as Message | undefined)?.text);

const answerOfRequests: Strategy = {
  name: 'default',
  answer: ({ requests }) => ({
    message: { text: `got ${requests.map(({ text }) => text).join()}` },
    source: 'default',
  }),
};

/** Everything that the caller of a stream sees, until its status. */
function logOf(stream: ReturnType<EchoClient['serverStream']> | ReturnType<EchoClient['bidi']>) {
  const events: string[] = [];
  stream.on('metadata', () => events.push('metadata'));
  stream.on('data', ({ text }: Message) => events.push(`data ${text}`));
  stream.on('error', ({ code }: ServiceError) => events.push(`error ${code}`));
  return new Promise<{ events: string[]; status: StatusObject }>((resolve) => {
    stream.on('status', (ended: StatusObject) => resolve({ events, status: ended }));
  });
}

it.each([
  ['that was rejected', undefined],
  ['that waits for its fallback', giving({})],
])('a call %s ends once when its observer cancels what is being cancelled', async (_what, strategy) => {
  const { client, guard } = await setUp(strategy && { fallbacks: registry('unary', strategy) });
  using _held = guard.circuit(echoService.unary).isolate();
  let made: { cancel(): void } | undefined;
  let ends = 0;
  guard.observe(() => ({
    onEnd: () => {
      ends += 1;
      made?.cancel();
    },
  }));
  const { events } = await callUnary(client, 'a', {
    onCall: (call) => {
      made = call;
      call.cancel();
    },
  });
  await new Promise(setImmediate);
  expect([events, ends]).toEqual([['error 1', 'status 1'], 1]);
});

it('gives its permit back where a switch of a strategy throws', async () => {
  let isBroken = false;
  const strategy: Strategy = {
    name: 'default',
    answer: () => undefined,
    get enabled() {
      if (isBroken) throw new Error('a bug');
      return true;
    },
  };
  const { client, guard } = await setUp({ fallbacks: registry('unary', strategy) });
  isBroken = true;
  await expect(callUnary(client, 'a')).rejects.toThrow('a bug');
  expect(guard.circuit(echoService.unary).inFlight).toBe(0);
});

describe('a cancel', () => {
  describe.each(['failed', 'rejected'])(
    'by whoever reads the label of a fallback, of a call that %s,',
    (how) => {
      it('ends a unary call', async () => {
        const { client, server, guard } = await setUp({ fallbacks: registry('unary', giving({})) });
        server.handlers.unary = failing;
        using _held = how === 'rejected' ? guard.circuit(echoService.unary).isolate() : undefined;
        const ended = await callUnary(client, 'a', {
          onCall: (call) => call.on('metadata', () => call.cancel()),
        });
        expect(ended.events).toEqual(['metadata', 'error 1', 'status 1']);
      });

      it('ends a stream', async () => {
        const { client, server, guard } = await setUp({ fallbacks: registry('serverStream', giving({})) });
        server.handlers.serverStream = (call) => call.emit('error', { code: status.INTERNAL, details: '' });
        using _held = how === 'rejected' ? guard.circuit(echoService.serverStream).isolate() : undefined;
        const call = client.serverStream({ text: 'a' }, new Metadata(), {});
        const log = logOf(call);
        call.on('metadata', () => call.cancel());
        expect((await log).events).toEqual(['metadata', 'error 1']);
      });
    },
  );

  it.each(['clientStream', 'bidi'] as const)(
    'of the parent is heard while the call waits for its key (%s)',
    async (kind) => {
      const { client, server, guard } = await setUp({ keyBy: byText });
      const front = await startEchoServer();
      const outer = echoClient(front.address);
      closers.push(
        () => front.close(),
        () => outer.close(),
      );
      const parent = await new Promise<ServerUnaryCall<Message, Message>>((resolve) => {
        front.handlers.unary = (call) => resolve(call);
        void callUnary(outer, 'a');
      });
      const call =
        kind === 'bidi'
          ? client.bidi(new Metadata(), { parent })
          : client.clientStream(new Metadata(), { parent }, () => undefined);
      const ended = new Promise<StatusObject>((resolve) => {
        call.on('error', () => undefined); // the status tells the same
        call.on('status', resolve);
      });
      parent.cancelled = true; // as grpc-js does it
      parent.emit('cancelled', 'cancelled');
      expect(await ended).toMatchObject({ code: status.CANCELLED, details: 'Cancelled by parent call' });
      expect(server.calls.count).toBe(0);
      expect(guard.snapshots()).toEqual([]);
    },
  );

  it('is the end, though a first message that a fallback could replace is on its way', async () => {
    const server = await startEchoServer({
      serverStream: (call) => call.write({ text: 'error: warming up' }),
    });
    const guard = createGuard({
      circuit: neverTrip(),
      classify: { classifyMessage: inBand },
      fallbacks: registry('serverStream', giving({})),
    });
    let cancel = () => {};
    const meanwhile: Interceptor = (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (metadata, _listener, next) =>
          next(metadata, {
            onReceiveMessage: (message, pass) => {
              cancel();
              pass(message);
            },
          }),
      });
    const client = echoClient(server.address, { interceptors: [guard.interceptor, meanwhile] });
    closers.push(
      () => server.close(),
      () => client.close(),
      () => guard.close(),
    );
    const call = client.serverStream({ text: 'a' }, new Metadata(), {});
    cancel = () => call.cancel();
    expect((await logOf(call)).status.code).toBe(status.CANCELLED);
    const { totals } = guard.circuit(echoService.serverStream).snapshot();
    expect(totals.outcomes).toMatchObject({ ignored: 1, failure: 0 });
  });
});

describe('a conversation whose first message a fallback could replace', () => {
  /** A strategy that decides when it is told to. */
  function deciding(answer: Answer<Message> | undefined) {
    let decide = () => {};
    let ask = () => {};
    const asked = new Promise<void>((resolve) => {
      ask = resolve;
    });
    const strategy: Strategy = {
      name: 'default',
      answer: () => {
        ask();
        return new Promise((resolve) => {
          decide = () => resolve(answer);
        });
      },
    };
    return { strategy, asked, decide: () => decide() };
  }

  async function converse(answer: Answer<Message> | undefined) {
    const { strategy, asked, decide } = deciding(answer);
    const { client, server } = await setUp({
      classify: { classifyMessage: inBand },
      fallbacks: registry('bidi', strategy),
    });
    const received: string[] = [];
    const cancelled = new Promise<void>((resolve) => {
      server.handlers.bidi = (call) => {
        call.write({ text: 'error: warming up' });
        call.on('cancelled', resolve);
        call.on('data', ({ text }: Message) => received.push(text));
        call.on('end', () => {
          call.write({ text: received.join() });
          call.end();
        });
      };
    });
    const call = client.bidi(new Metadata(), {});
    const log = logOf(call);
    call.write({ text: 'one' });
    await asked;
    const written = new Promise<void>((resolve) => call.write({ text: 'two' }, () => resolve()));
    call.end({ text: 'three' });
    return { log, decide, written, received, cancelled };
  }

  it('loses no message of the caller while no fallback answers', async () => {
    const { log, decide, written } = await converse(undefined);
    await written;
    decide();
    const { events, status: ended } = await log;
    expect(events).toEqual(['metadata', 'data error: warming up', 'data one,two,three']);
    expect(ended.code).toBe(status.OK);
  });

  it('calls its writer back when a fallback answers', async () => {
    const { log, decide, written, cancelled } = await converse({
      message: { text: 'fallback' },
      source: 'default',
    });
    decide();
    await written;
    await cancelled;
    expect((await log).events).toEqual(['metadata', 'data fallback']);
  });
});

describe('an answer of a strategy with metadata that grpc-js refuses', () => {
  it.each<[string, Partial<Answer<Message>>, string]>([
    ['a source in letters that metadata cannot carry', { source: 'secondary:größe' }, 'secondary:gr??e'],
    ['a key that is none', { metadata: { 'a b': 'x', fine: 'y' } }, 'default'],
    ['a value that metadata cannot carry', { metadata: { bad: 'é', fine: 'y' } }, 'default'],
  ])('is given all the same (%s)', async (_what, answer, source) => {
    const { client, server } = await setUp({ fallbacks: registry('unary', giving(answer)) });
    server.handlers.unary = failing;
    const ended = await callUnary(client, 'a');
    expect(ended.events).toEqual(['metadata', 'value fallback', 'status 0']);
    expect(provenanceOf(ended.metadata)).toMatchObject({ source, degraded: true });
    expect(ended.metadata.get('fine')).toEqual(answer.metadata === undefined ? [] : ['y']);
  });

  it.each([
    [1_234.567, 1_235],
    [-3, 0], // the clock of another machine
    [Number.NaN, undefined],
  ])('has one age, in the label and in the event (%d)', async (ageMs, told) => {
    const { client, server, guard } = await setUp({ fallbacks: registry('unary', giving({ ageMs })) });
    const ages: unknown[] = [];
    guard.on('degraded', (event) => ages.push(event.ageMs));
    server.handlers.unary = failing;
    const ended = await callUnary(client, 'a');
    expect([...ages, provenanceOf(ended.metadata).ageMs]).toEqual([told, told]);
  });

  it('has no age where the label is no number', () => {
    const metadata = new Metadata();
    metadata.set('failsoft-age-ms', 'old');
    expect(provenanceOf(metadata).ageMs).toBeUndefined();
  });

  it.each(['the deadline', 'the caller'])('is ended by %s though it never ends itself', async (who) => {
    const endless: Iterable<Message> = {
      *[Symbol.iterator]() {
        for (let n = 0; n < 300_000; n++) yield { text: 'more' }; // or a starved loop would never end this test
      },
    };
    const { client, guard } = await setUp({
      fallbacks: registry('serverStream', giving({ message: endless })),
    });
    using _held = guard.circuit(echoService.serverStream).isolate();
    const options = who === 'the deadline' ? { deadline: Date.now() + 20 } : {};
    const call = client.serverStream({ text: 'a' }, new Metadata(), options);
    const log = logOf(call);
    if (who === 'the caller') setTimeout(() => call.cancel(), 1);
    const expected = who === 'the deadline' ? status.DEADLINE_EXCEEDED : status.CANCELLED;
    expect((await log).status.code).toBe(expected);
  });

  it('fails as a stream that cannot be begun', async () => {
    const unreadable: Iterable<Message> = {
      [Symbol.iterator]: () => {
        throw new Error('no iterator');
      },
    };
    const { client, guard } = await setUp({
      fallbacks: registry('serverStream', {
        name: 'default',
        decoded: true,
        answer: () => ({ source: 'default', message: unreadable }),
      }),
    });
    using _held = guard.circuit(echoService.serverStream).isolate();
    const { status: ended } = await logOf(client.serverStream({ text: 'a' }, new Metadata(), {}));
    expect(circuitRejectionOf(ended)?.fallback).toBe("failsoft: the fallback's stream failed: no iterator");
  });

  it('fails with well-formed details, whatever text its error has', async () => {
    async function* failing(): AsyncGenerator<Message> {
      yield { text: 'a' };
      throw new Error('half a pair: \ud83d');
    }
    const { client, guard } = await setUp({
      fallbacks: registry('serverStream', giving({ message: failing() })),
    });
    using _held = guard.circuit(echoService.serverStream).isolate();
    const { status: ended } = await logOf(client.serverStream({ text: 'a' }, new Metadata(), {}));
    expect(ended.details).toBe("failsoft: the fallback's stream failed: half a pair: \ufffd");
  });
});

describe('the headers of the server', () => {
  async function conversation(holdHeaders: boolean) {
    const { client, server } = await setUp({ holdHeaders, fallbacks: registry('bidi', giving({})) });
    server.handlers.bidi = (call) => {
      call.sendMetadata(new Metadata());
      call.once('data', () => call.emit('error', { code: status.UNAVAILABLE, details: 'as told' }));
    };
    const call = client.bidi(new Metadata(), {});
    const sources: string[] = [];
    call.on('metadata', (metadata: Metadata) => sources.push(provenanceOf(metadata).source));
    return { call, sources, log: logOf(call) };
  }

  it('come at once where holdHeaders is false', async () => {
    const { call, sources, log } = await conversation(false);
    call.once('metadata', () => call.end({ text: 'a' })); // would stand still otherwise
    expect((await log).events).toEqual(['metadata', 'metadata', 'data fallback']);
    expect(sources).toEqual(['primary', 'default']);
  });

  it("are left out where a fallback's come, by default", async () => {
    const { call, sources, log } = await conversation(true);
    call.end({ text: 'a' });
    expect((await log).events).toEqual(['metadata', 'data fallback']);
    expect(sources).toEqual(['default']);
  });
});

describe('the messages of a client stream', () => {
  it('are not passed to a fallback if one of them cannot be serialized', async () => {
    const { client, guard } = await setUp({ fallbacks: registry('clientStream', answerOfRequests) });
    using _held = guard.circuit(echoService.clientStream).isolate();
    const answer = await new Promise<Message | undefined>((resolve) => {
      const call = client.clientStream(new Metadata(), {}, (_error, value) => resolve(value));
      call.write({ text: 'a' });
      call.write({ text: 1n as unknown as string }); // what JSON cannot write
      call.end({ text: 'c' });
    });
    expect(answer?.text).toBe('got ');
  });

  it('fail only the strategies that read them, if they cannot be decoded', async () => {
    const undecodable = {
      ...echoService.clientStream,
      requestDeserialize: (): Message => {
        throw new Error('not mine');
      },
    };
    const { client, guard } = await setUp({
      fallbacks: new FallbackRegistry().register(undecodable, [answerOfRequests, giving({})]),
    });
    using _held = guard.circuit(echoService.clientStream).isolate();
    const answer = await new Promise<Message | undefined>((resolve) => {
      client.clientStream(new Metadata(), {}, (_error, value) => resolve(value)).end({ text: 'a' });
    });
    expect(answer?.text).toBe('fallback');
  });
});

describe('a stream whose only fallback reads no request', () => {
  it.each(['clientStream', 'bidi'] as const)('is encoded once (%s)', async (kind) => {
    const server = await startEchoServer();
    const guard = createGuard({ fallbacks: registry(kind, defaultPrediction({ text: 'default' })) });
    let encoded = 0;
    const counting: Interceptor = (options, nextCall) => {
      const { requestSerialize: serialize } = options.method_definition;
      options.method_definition.requestSerialize = (message) => {
        encoded++;
        return serialize(message);
      };
      return new InterceptingCall(nextCall(options));
    };
    const client = echoClient(server.address, { interceptors: [counting, guard.interceptor] });
    closers.push(
      () => server.close(),
      () => client.close(),
      () => guard.close(),
    );
    const heard = await new Promise<unknown>((resolve) => {
      const call =
        kind === 'bidi'
          ? client
              .bidi(new Metadata(), {})
              .on('data', () => {})
              .on('status', resolve)
          : client.clientStream(new Metadata(), {}, (_error, value) => resolve(value));
      call.write({ text: 'a' });
      call.write({ text: 'b' });
      call.end({ text: 'c' });
    });
    expect(heard).toBeDefined();
    expect(encoded).toBe(3);
  });

  it('calls back a writer whose message the server does not take any more, and is answered', async () => {
    const { client, server } = await setUp({
      fallbacks: registry('clientStream', defaultPrediction({ text: 'default' })),
    });
    server.handlers.clientStream = (_call, callback) => failing(_call, callback);
    const answer = await new Promise<Message | undefined>((resolve) => {
      const call = client.clientStream(new Metadata(), {}, (_error, value) => resolve(value));
      const text = 'x'.repeat(2 ** 20);
      let left = 5;
      const write = () => {
        if (left-- > 0) call.write({ text }, write);
        else call.end();
      };
      write();
    });
    expect(answer?.text).toBe('default');
  });
});

describe('the time of the server', () => {
  it("does not contain the caller's time to send, also when the answer comes before the end of it", async () => {
    const clock = new ManualClock();
    const durations: number[] = [];
    const when = ({ durationMs }: FinishedCall) => durations.push(durationMs) < 0;
    const { client, server } = await setUp({
      clock,
      classify: { rules: [{ code: status.OK, when, outcome: 'success' }] },
    });
    server.handlers.clientStream = (call, callback) => {
      call.on('data', ({ text }: Message) => {
        if (text === 'last') callback(null, { text: 'enough' });
      });
    };
    await new Promise<void>((resolve) => {
      const call = client.clientStream(new Metadata(), {}, () => resolve());
      call.write({ text: 'first' }, () => {
        clock.advance(5_000);
        call.write({ text: 'last' });
      });
    });
    expect(durations).toEqual([0]);
  });

  it('is a deadline by default however short it is', async () => {
    const { client, server, guard } = await setUp({ defaultDeadlineMs: 5 });
    server.handlers.unary = () => undefined;
    expect((await callUnary(client, 'a')).error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(guard.circuit(echoService.unary).snapshot().totals.outcomes.failure).toBe(1);
  });

  it('is all that is left of a conversation in which the caller has sent all', async () => {
    const { client, server, guard } = await setUp({ stallTimeoutMs: 40 });
    server.handlers.bidi = (call) => void call.write({ text: 'first' }); // and no more
    const call = client.bidi(new Metadata(), {});
    const log = logOf(call);
    call.end({ text: 'a' });
    const { events, status: ended } = await log;
    expect(events).toEqual(['metadata', 'data first', 'error 4']);
    expect(ended.details).toBe('failsoft: no further message within 40 ms');
    expect(guard.circuit(echoService.bidi).snapshot().totals.outcomes.failure).toBe(1);
  });
});

describe('a stream that its caller never ends', () => {
  it.each(['clientStream', 'bidi'] as const)(
    'does not hold its permit for ever, and goes on untouched (%s)',
    async (kind) => {
      const clock = new ManualClock();
      const { client, guard, server } = await setUp({ clock });
      let answered: (text: string) => void = () => {};
      const answer = new Promise<string>((resolve) => {
        answered = resolve;
      });
      const call =
        kind === 'bidi'
          ? client.bidi(new Metadata(), {}).on('data', ({ text }: Message) => answered(text))
          : client.clientStream(new Metadata(), {}, (_error, value) => answered(String(value?.text)));
      const ended = new Promise<StatusObject>((resolve) => call.on('status', resolve));
      server.handlers.bidi = (served) => {
        const texts: string[] = [];
        served.on('data', ({ text }: Message) => texts.push(text));
        served.on('end', () => {
          served.write({ text: `echo ${texts.join('+')}` });
          served.end();
        });
      };
      await new Promise<void>((resolve) => call.write({ text: 'a' }, () => resolve()));
      const circuit = guard.circuit(echoService[kind]);
      clock.advance(59_999);
      expect(circuit.snapshot()).toMatchObject({ inFlight: 1 });
      clock.advance(1);
      expect(circuit.snapshot()).toMatchObject({ inFlight: 0, totals: { outcomes: { ignored: 1 } } });
      call.end({ text: 'b' });
      expect(await answer).toBe('echo a+b');
      expect((await ended).code).toBe(status.OK);
      expect(circuit.snapshot().totals.outcomes).toMatchObject({ ignored: 1, success: 0 });
      expect(clock.pendingTimers).toBe(0);
    },
  );

  it('holds it as long as the caller goes on writing, or waits for its answer', async () => {
    const clock = new ManualClock();
    const { client, guard, server } = await setUp({ clock });
    const asked = new Promise<() => void>((resolve) => {
      server.handlers.clientStream = (call, callback) => {
        call.on('data', () => undefined);
        call.on('end', () => resolve(() => callback(null, { text: 'at last' })));
      };
    });
    const circuit = guard.circuit(echoService.clientStream);
    let call: ReturnType<EchoClient['clientStream']> | undefined;
    const answer = new Promise((resolve) => {
      call = client.clientStream(new Metadata(), {}, (_error, value) => resolve(value?.text));
    });
    for (let n = 0; n < 5; n++) {
      await new Promise<void>((resolve) => call?.write({ text: 'a' }, () => resolve()));
      clock.advance(50_000);
    }
    call?.end();
    const respond = await asked;
    clock.advance(600_000);
    expect(circuit.snapshot().inFlight).toBe(1);
    respond();
    expect(await answer).toBe('at last');
    expect(circuit.snapshot()).toMatchObject({ inFlight: 0, totals: { outcomes: { success: 1 } } });
  });
});

describe('the time that is kept for fallbacks', () => {
  it.each(['serverStream', 'bidi'] as const)('is not taken from a stream that runs (%s)', async (kind) => {
    const { client, server } = await setUp({
      fallbackReserveMs: 3_600_000,
      fallbacks: registry(kind, giving({})),
    });
    const left: number[] = [];
    const note = (deadline: Date | number) => left.push(Number(deadline) - Date.now());
    server.handlers.serverStream = (call) => {
      note(call.getDeadline());
      call.end();
    };
    server.handlers.bidi = (call) => {
      note(call.getDeadline());
      call.end();
    };
    const options = { deadline: Date.now() + 600_000 };
    const call =
      kind === 'bidi'
        ? client.bidi(new Metadata(), options)
        : client.serverStream({ text: 'a' }, new Metadata(), options);
    expect((await logOf(call)).status.code).toBe(status.OK);
    expect(left[0]).toBeGreaterThan(500_000);
  });

  it.each(['serverStream', 'bidi'] as const)('begins where no message has come (%s)', async (kind) => {
    const clock = new ManualClock();
    const { client, server, guard } = await setUp({
      clock,
      fallbackReserveMs: 60_000,
      fallbacks: registry(kind, giving({})),
    });
    const reached = new Promise<void>((resolve) => {
      server.handlers.serverStream = () => resolve();
      server.handlers.bidi = () => resolve();
    });
    const options = { deadline: Date.now() + 100_000 };
    const bidi = kind === 'bidi' ? client.bidi(new Metadata(), options) : undefined;
    bidi?.write({ text: 'a' });
    const log = logOf(bidi ?? client.serverStream({ text: 'a' }, new Metadata(), options));
    await reached;
    clock.advance(50_000); // half of it is the server's at the least
    expect((await log).events).toEqual(['metadata', 'data fallback']);
    expect(guard.circuit(echoService[kind]).snapshot()).toMatchObject({
      inFlight: 0,
      totals: { outcomes: { failure: 1 } },
    });
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("a caller's own listener that throws", () => {
  const later: Strategy = {
    name: 'default',
    answer: () => Promise.resolve({ message: { text: 'fallback' }, source: 'default' }),
  };
  const declining: Strategy = { name: 'default', answer: () => undefined };
  it.each<[string, Strategy | undefined, 'OK' | 'failed' | 'rejected', string[]]>([
    ['no fallback', undefined, 'OK', ['value echo a', 'status 0']],
    ['a fallback that is not needed', giving({}), 'OK', ['value echo a', 'status 0']],
    ['a fallback that declines', declining, 'failed', ['error 14', 'status 14']],
    ['a fallback', giving({}), 'failed', ['value fallback', 'status 0']],
    ['a fallback', giving({}), 'rejected', ['value fallback', 'status 0']],
    ['a fallback that takes its time', later, 'rejected', ['value fallback', 'status 0']],
  ])('still gets the end of its call (%s, %s)', async (_what, strategy, how, expected) => {
    const { client, server, guard } = await setUp(strategy && { fallbacks: registry('unary', strategy) });
    if (how === 'failed')
      server.handlers.unary = (call, callback) => {
        call.sendMetadata(new Metadata());
        failing(call, callback);
      };
    using _held = how === 'rejected' ? guard.circuit(echoService.unary).isolate() : undefined;
    const errors = uncaughtErrors(closers);
    const ended = await callUnary(client, 'a', {
      onCall: (call) =>
        call.on('metadata', () => {
          throw new Error('a bug of the caller');
        }),
    });
    expect(ended.events).toEqual(['metadata', ...expected]);
    await expect.poll(() => errors).toEqual(['a bug of the caller']);
  });

  it('still gets the end of a stream that ended before a fallback declined its first message', async () => {
    let decide = () => {};
    const deciding: Strategy = {
      name: 'default',
      answer: () =>
        new Promise((resolve) => {
          decide = () => resolve(undefined);
        }),
    };
    const { client, server, guard } = await setUp({
      classify: { classifyMessage: inBand },
      fallbacks: registry('serverStream', deciding),
    });
    server.handlers.serverStream = (call) => {
      call.write({ text: 'error: warming up' });
      call.emit('error', { code: status.INTERNAL, details: '' });
    };
    const errors = uncaughtErrors(closers);
    const call = client.serverStream({ text: 'a' }, new Metadata(), {});
    let last: StatusObject | undefined;
    call.on('error', () => {});
    call.on('status', (ended: StatusObject) => {
      last = ended;
    });
    call.on('metadata', () => {
      throw new Error('a bug of the caller');
    });
    call.on('data', () => {});
    await expect.poll(() => guard.circuit(echoService.serverStream).snapshot().inFlight).toBe(0);
    await callUnary(client, 'behind the status of the stream');
    decide();
    await expect.poll(() => last?.code).toBe(status.INTERNAL);
    expect(errors).toEqual(['a bug of the caller']);
  });
});

describe('a call', () => {
  it('may have null as its parent and deadline, as without a guard', async () => {
    const { client } = await setUp({ fallbacks: registry('unary', giving({})) });
    const none = { parent: null, deadline: null } as unknown as CallOptions;
    expect((await callUnary(client, 'a', none)).value?.text).toBe('echo a');
  });

  it('that waits for its key is sent with the metadata with which it was made', async () => {
    const { client, server } = await setUp({ keyBy: byText });
    server.handlers.clientStream = (call, callback) => {
      call.resume();
      call.on('end', () => callback(null, { text: String(call.metadata.get('authorization')) }));
    };
    const metadata = new Metadata();
    metadata.set('authorization', 'alice');
    const answer = await new Promise<Message | undefined>((resolve) => {
      const call = client.clientStream(metadata, {}, (_error, value) => resolve(value));
      metadata.set('authorization', 'bob');
      setImmediate(() => call.end({ text: 'a' }));
    });
    expect(answer?.text).toBe('alice');
  });

  it('that waits for a late message is sent with the metadata with which it was made', async () => {
    const { server, guard } = await setUp({ keyBy: byText });
    const late: Interceptor = (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        sendMessage: (message, next) => setImmediate(next, message),
      });
    const client = echoClient(server.address, { interceptors: [late, guard.interceptor] });
    closers.push(() => client.close());
    server.handlers.unary = (call, callback) =>
      callback(null, { text: String(call.metadata.get('authorization')) });
    const metadata = new Metadata();
    metadata.set('authorization', 'alice');
    const ended = callUnary(client, 'a', { metadata });
    metadata.set('authorization', 'bob');
    expect((await ended).value?.text).toBe('alice');
  });

  it('is found under the long name that it brought', async () => {
    const { client, guard } = await setUp({ keyBy: byText });
    const long = 'x'.repeat(300);
    using _held = guard.circuit(echoService.unary, long).isolate();
    expect(circuitRejectionOf((await callUnary(client, long)).error)?.reason).toBe('ISOLATED');
    const [snapshot] = guard.snapshots();
    const part = String(snapshot?.circuitKey.split('#')[1]);
    expect(guard.circuit(echoService.unary, part).snapshot().isolated).toBe(1);
  });

  it('that is in flight when its guard closes ends as usual', async () => {
    const { client, guard, server } = await setUp({ fallbacks: registry('unary', giving({})) });
    let fail = () => {};
    server.handlers.unary = (call, callback) => {
      fail = () => failing(call, callback);
    };
    const circuit = guard.circuit(echoService.unary);
    const ended = callUnary(client, 'a');
    await expect.poll(() => server.calls.count).toBe(1);
    await guard.close();
    fail();
    expect((await ended).events).toEqual(['metadata', 'value fallback', 'status 0']);
    expect(circuit.snapshot().inFlight).toBe(0);
  });
});

it('a rejected call that is cancelled in the turn in which it was made leaves no timer', async () => {
  const clock = new ManualClock();
  const { client, guard } = await setUp({ clock, fallbacks: registry('clientStream', giving({})) });
  using _held = guard.circuit(echoService.clientStream).isolate();
  const timers = clock.pendingTimers;
  const failed = new Promise<ServiceError | null>((resolve) => {
    client.clientStream(new Metadata(), {}, (error) => resolve(error)).cancel();
  });
  expect((await failed)?.code).toBe(status.CANCELLED);
  await new Promise(setImmediate);
  expect(clock.pendingTimers).toBe(timers);
});

it('no classifier sees the missing message of a call that failed', async () => {
  const seen: unknown[] = [];
  const classifyMessage = (message: unknown) => void seen.push(message);
  const { client, server } = await setUp({ classify: { classifyMessage } });
  server.handlers.unary = failing;
  expect((await callUnary(client, 'a')).error?.code).toBe(status.UNAVAILABLE);
  expect(seen).toEqual([]);
});

describe('a caller behind an interceptor that makes its own listener', () => {
  it.each([
    ["the primary's", undefined, false],
    ["the primary's, which was held back", giving({}), false],
    ["a fallback's", giving({}), true],
  ])('gets %s answer without its metadata', async (_whose, strategy, isRejected) => {
    const { client, guard } = await setUp(strategy && { fallbacks: registry('unary', strategy) });
    using _held = isRejected ? guard.circuit(echoService.unary).isolate() : undefined;
    const withoutMetadata: Interceptor = (options, next) => {
      const inner = next(options);
      const start = inner.start.bind(inner);
      inner.start = (metadata, listener) =>
        start(metadata, {
          onReceiveMessage: (message) => listener?.onReceiveMessage?.(message),
          onReceiveStatus: (ended) => listener?.onReceiveStatus?.(ended),
        });
      return new InterceptingCall(inner);
    };
    const { value, events } = await callUnary(client, 'a', {
      interceptors: [withoutMetadata, guard.interceptor],
    });
    const text = isRejected ? 'fallback' : value?.text;
    expect(events).toEqual([`value ${text}`, 'status 0']);
  });

  it('gets no message of a fallback that it has cancelled at the metadata', async () => {
    const { client, guard } = await setUp({ fallbacks: registry('unary', giving({})) });
    using _held = guard.circuit(echoService.unary).isolate();
    const messages: unknown[] = [];
    const cancelling: Interceptor = (options, next) => {
      const inner = next(options);
      const start = inner.start.bind(inner);
      inner.start = (metadata, listener) =>
        start(metadata, {
          onReceiveMetadata: () => inner.cancelWithStatus(status.CANCELLED, 'enough'),
          onReceiveMessage: (message) => messages.push(message),
          onReceiveStatus: (ended) => listener?.onReceiveStatus?.(ended),
        });
      return new InterceptingCall(inner);
    };
    const { error } = await callUnary(client, 'a', { interceptors: [cancelling, guard.interceptor] });
    expect(error?.code).toBe(status.CANCELLED);
    expect(messages).toEqual([null]); // as grpc-js ends a call without a message
  });
});
