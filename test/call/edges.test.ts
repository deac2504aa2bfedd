import {
  InterceptingCall,
  type Interceptor,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { FallbackRegistry, type FallbackStrategy, type GuardOptions, perKey, perMethod } from 'failsoft';
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
import { createGuard } from '../support/guard.js';
import { decliningFallbacks } from '../support/guard-variants.js';

const closers = closedAfterEach();

async function setUp(options: GuardOptions = {}, before: Interceptor[] = []) {
  const server = await startEchoServer();
  const guard = createGuard(options);
  const client = echoClient(server.address, { interceptors: [...before, guard.interceptor] });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  return { server, client, guard };
}

/** Everything that the caller of a stream sees, until its status. */
function logStream(client: EchoClient): Promise<string[]> {
  return new Promise((resolve) => {
    const events: string[] = [];
    const call = client.serverStream({ text: 'a' }, new Metadata(), {});
    call.on('metadata', () => events.push('metadata'));
    call.on('data', ({ text }: Message) => events.push(`data ${text}`));
    call.on('error', ({ code }: ServiceError) => events.push(`error ${code}`));
    call.on('status', ({ code }: StatusObject) => {
      events.push(`status ${code}`);
      resolve(events);
    });
  });
}

const byText = perKey(({ request }) => (request as Message | undefined)?.text);

describe('a call that is not made yet', () => {
  it('is ended by a cancel that comes before an interceptor lets it start', async () => {
    let start = () => {};
    const late: Interceptor = (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (metadata, listener, next) => {
          start = () => next(metadata, listener);
        },
      });
    const { client, server } = await setUp({}, [late]);
    const ended = await callUnary(client, 'a', {
      onCall: (call) => {
        call.cancel();
        setTimeout(() => start(), 5);
      },
    });
    expect(ended.events).toEqual(['error 1', 'status 1']);
    expect(server.calls.count).toBe(0);
  });

  it.each(['clientStream', 'bidi'] as const)(
    'ends with a status when its client is closed while it waits for its key (%s)',
    async (kind) => {
      const { client, guard } = await setUp({ keyBy: byText });
      const code = await new Promise((resolve) => {
        const call =
          kind === 'bidi'
            ? client.bidi(new Metadata(), {})
            : client.clientStream(new Metadata(), {}, () => undefined);
        call.on('error', () => undefined);
        call.on('status', (ended: StatusObject) => resolve(ended.code));
        client.close();
      });
      expect(code).toBe(status.UNAVAILABLE);
      expect(guard.circuit(echoService[kind]).snapshot().inFlight).toBe(0);
    },
  );
});

describe('an OK answer without a valid message, where no fallback answers', () => {
  const bad = (message: unknown) => ((message as Message).text.includes('NaN') ? 'failure' : 'success');

  it('is passed on unchanged (unary)', async () => {
    const { client, server, guard } = await setUp({
      classify: { classifyMessage: bad },
      fallbacks: decliningFallbacks(),
    });
    server.handlers.unary = (_call, callback) => callback(null, { text: 'NaN' });
    const ended = await callUnary(client, 'a');
    expect(ended.events).toEqual(['metadata', 'value NaN', 'status 0']);
    expect(guard.circuit(echoService.unary).snapshot().totals.outcomes.failure).toBe(1);
  });

  it('is passed on unchanged, and so are the messages after it (stream)', async () => {
    const { client, server, guard } = await setUp({
      classify: { classifyMessage: bad },
      fallbacks: decliningFallbacks(),
    });
    server.handlers.serverStream = (call) => {
      for (const text of ['NaN', 'one', 'two']) call.write({ text });
      call.end();
    };
    expect(await logStream(client)).toEqual(['metadata', 'data NaN', 'data one', 'data two', 'status 0']);
    expect(guard.circuit(echoService.serverStream).snapshot()).toMatchObject({
      inFlight: 0,
      totals: { outcomes: { failure: 1, success: 0 } },
    });
  });

  it('never becomes an empty OK stream when the fallback breaks', async () => {
    const breaking: FallbackStrategy<Message, Message> = {
      name: 'default',
      answer: () => ({
        // biome-ignore lint/correctness/useYield: it breaks before its first message
        message: (async function* () {
          throw new Error('no luck');
        })(),
        source: 'default',
      }),
    };
    const { client, server } = await setUp({
      classify: { classifyMessage: bad },
      fallbacks: new FallbackRegistry().register(echoService.serverStream, [breaking]),
    });
    server.handlers.serverStream = (call) => {
      call.write({ text: 'NaN' });
      call.end();
    };
    expect(await logStream(client)).toEqual(['metadata', 'error 2', 'status 2']);
  });

  it('counts by its worst message', async () => {
    const { client, server, guard } = await setUp({ classify: { classifyMessage: bad } });
    server.handlers.serverStream = (call) => {
      for (const text of ['one', 'NaN', 'two']) call.write({ text });
      call.end();
    };
    await logStream(client);
    expect(guard.circuit(echoService.serverStream).snapshot().totals.outcomes.failure).toBe(1);
  });
});

describe('a client stream', () => {
  it('that failed and is never finished has its own error in the end', async () => {
    const { client, server } = await setUp({ fallbacks: decliningFallbacks(), abandonedAfterMs: 30 });
    server.handlers.clientStream = (_call, callback) =>
      callback({ code: status.UNAVAILABLE, details: 'as told', metadata: new Metadata() });
    const failed = await new Promise<ServiceError | null>((resolve) => {
      client.clientStream(new Metadata(), {}, resolve).write({ text: 'a' });
    });
    expect(failed).toMatchObject({ code: status.UNAVAILABLE, details: 'as told' });
  });

  it('has its writer called back when the call ends before it could take the message', async () => {
    const guard = createGuard({
      fallbacks: new FallbackRegistry().register(echoService.clientStream, [
        {
          name: 'default',
          answer: ({ requests }) => ({
            message: { text: requests.map(({ text }) => text).join() },
            source: 'default',
          }),
        },
      ]),
    });
    // A target that does not resolve ends the call before anything of it is sent.
    const lost = echoClient('ipv4:nonsense', { interceptors: [guard.interceptor] });
    closers.push(
      () => lost.close(),
      () => guard.close(),
    );
    const value = await new Promise((resolve) => {
      const call = lost.clientStream(new Metadata(), {}, (_error, answer) => resolve(answer?.text));
      call.write({ text: 'a' }, () => call.write({ text: 'b' }, () => call.end()));
    });
    expect(value).toBe('a,b');
  });
});

describe('a server that answers twice where one answer is expected', () => {
  it.each(['without a guard', 'with a guard', 'with a guard and a fallback'])('%s', async (how) => {
    const server = new Server();
    const twice = (call: ServerDuplexStream<Message, Message>) => {
      call.write({ text: 'one' });
      call.write({ text: 'two' });
      call.end();
    };
    server.addService(
      { clientStream: { ...echoService.clientStream, responseStream: true } },
      { clientStream: twice },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    const guard = createGuard({
      keyBy: perMethod(),
      ...(how.includes('fallback') && { fallbacks: decliningFallbacks() }),
    });
    const client = echoClient(
      `127.0.0.1:${port}`,
      how.startsWith('without') ? {} : { interceptors: [guard.interceptor] },
    );
    closers.push(
      () => server.forceShutdown(),
      () => client.close(),
      () => guard.close(),
    );
    const failed = await new Promise<ServiceError | null>((resolve) => {
      client.clientStream(new Metadata(), {}, resolve).end();
    });
    expect(failed).toMatchObject({
      code: status.UNIMPLEMENTED,
      details: 'Too many responses received',
    });
  });
});
