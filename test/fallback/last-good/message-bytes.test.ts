import {
  type CallOptions,
  Client,
  type ClientOptions,
  credentials,
  InterceptingCall,
  type Interceptor,
  type InterceptorOptions,
  ListenerBuilder,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import {
  answerWith,
  createGuard,
  FallbackRegistry,
  type Guard,
  lastGood,
  type PrimaryAnswer,
  type WarningEvent,
} from 'failsoft';
import { GRPCInferenceServiceClient, ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import { expect, it, onTestFinished, vi } from 'vitest';
import { withCreateCall } from '../../../src/call/sent-calls.js';
import { closedAfterEach } from '../../support/closers.js';
import { collectGarbage } from '../../support/garbage.js';
import { startInferServer } from '../infer-server.js';
import { METHOD, metadata, request, response } from '../support.js';

type Channel = ReturnType<Client['getChannel']>;
type CallProperties = Parameters<NonNullable<ClientOptions['callInvocationTransformer']>>[0];

const closers = closedAfterEach();

interface Offered {
  /** How often the call was recorded as sent; undefined without a record. */
  readonly sent: number | undefined;
  readonly bytes: Buffer | undefined;
}

/** A strategy that only notes which answers it is offered. */
function watching() {
  const offered: Offered[] = [];
  const strategy = {
    name: 'watching',
    answer: () => undefined,
    keep: ({ sentMetadata, responseBytes }: PrimaryAnswer<ModelInferRequest, ModelInferResponse>) => {
      offered.push({ sent: sentMetadata?.length, bytes: responseBytes });
    },
  };
  return { offered, strategy };
}

/** A server that echoes the request's id for the token that it sees, and a client whose answers are kept. */
async function setUp(
  optionsOf: (guard: Guard) => ClientOptions = (guard) => guard.clientOptions(),
  keeper = lastGood<ModelInferRequest, ModelInferResponse>(),
) {
  const primary = { down: false };
  const { port, stop } = await startInferServer((call, done) => {
    if (primary.down) return done({ code: status.UNAVAILABLE, details: 'down' });
    const [token = 'nobody'] = call.metadata.get('authorization');
    done(
      null,
      response({ id: `${call.request.id} for ${token}`, rawOutputContents: [Buffer.from([1, 2, 3])] }),
    );
  });
  const { offered, strategy } = watching();
  const guard = createGuard({ fallbacks: new FallbackRegistry().register(METHOD, [keeper, strategy]) });
  const warnings: WarningEvent[] = [];
  guard.on('warning', (event) => warnings.push(event));
  const client = new GRPCInferenceServiceClient(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
    optionsOf(guard),
  );
  closers.push(stop, () => client.close());
  const infer = (
    sent: ModelInferRequest,
    { by = new Metadata(), ...options }: CallOptions & { by?: Metadata } = {},
    seen: (answer: ModelInferResponse) => void = () => {},
  ) =>
    new Promise<string>((resolve) => {
      client.modelInfer(sent, by, options, (error: ServiceError | null, answer: ModelInferResponse) => {
        resolve(error === null ? answer.id : 'an error');
        if (error === null) seen(answer);
      });
    });
  return { port, primary, infer, keeper, guard, offered, warnings };
}

const passing: Interceptor = (options, nextCall) => new InterceptingCall(nextCall(options));
/** Changes the answer that the server gave, in place. */
const marking: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start: (sent, _listener, next) =>
      next(
        sent,
        new ListenerBuilder()
          .withOnReceiveMessage((message: ModelInferResponse | null, pass) => {
            if (message !== null) message.id += ', marked';
            pass(message);
          })
          .build(),
      ),
  });
const asService: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start: (_sent, listener, next) => next(metadata({ authorization: 'service' }), listener),
  });

it('encodes nothing for the cache where the guard is the last interceptor of a client made with its options', async () => {
  const { infer, keeper, primary, offered } = await setUp();
  const requests = vi.spyOn(ModelInferRequest, 'encode');
  const responses = vi.spyOn(ModelInferResponse, 'encode');
  onTestFinished(() => void vi.restoreAllMocks());
  for (let n = 0; n < 3; n++) expect(await infer(request({ id: `call ${n}` }))).toBe(`call ${n} for nobody`);
  expect(keeper.stats()).toMatchObject({ kept: 3 });
  // once by the client, once by the cache, which compares a new request with its canonical form
  expect(requests).toHaveBeenCalledTimes(6);
  expect(responses).toHaveBeenCalledTimes(3); // by the server
  expect(offered.map(({ bytes }) => bytes && ModelInferResponse.decode(bytes).id)).toEqual([
    'call 0 for nobody',
    'call 1 for nobody',
    'call 2 for nobody',
  ]);
  primary.down = true;
  for (let n = 0; n < 3; n++) expect(await infer(request({ id: `call ${n}` }))).toBe(`call ${n} for nobody`);
  expect(await infer(request({ id: 'call 3' }))).toBe('an error');
});

it('knows from the second call on that nothing can change the metadata, and makes no record of what is sent', async () => {
  const { infer, offered } = await setUp();
  for (let n = 0; n < 2; n++) await infer(request());
  expect(offered.map(({ sent }) => sent)).toEqual([1, undefined]);
});

it.each<[string, (guard: Guard) => ClientOptions]>([
  ['an interceptor behind the guard', (guard) => guard.clientOptions({ interceptors: [passing] })],
  [
    'interceptors that were set after clientOptions()',
    (guard) => ({ ...guard.clientOptions(), interceptors: [guard.interceptor, passing] }),
  ],
  ['providers of interceptors', (guard) => guard.clientOptions({ interceptor_providers: [() => passing] })],
  [
    'a second guard behind it',
    (guard) => guard.clientOptions(createGuard({ fallbacks: new FallbackRegistry() }).clientOptions()),
  ],
])('goes by the record of what is sent, and encodes the answer itself, with %s', async (_, optionsOf) => {
  const { infer, offered, keeper } = await setUp(optionsOf);
  for (let n = 0; n < 3; n++) await infer(request());
  expect(offered).toEqual(Array(3).fill({ sent: 1, bytes: undefined }));
  expect(keeper.stats()).toMatchObject({ kept: 3 });
});

it('keeps what the guard got, where an interceptor behind the guard changes answers in place', async () => {
  const { infer, primary } = await setUp((guard) => guard.clientOptions({ interceptors: [marking] }));
  for (let n = 0; n < 2; n++) await infer(request({ id: 'a' }));
  primary.down = true;
  expect(await infer(request({ id: 'a' }))).toBe('a for nobody, marked');
});

it('keeps what the server gave, where an interceptor before the guard changes answers in place', async () => {
  const { infer, primary } = await setUp((guard) =>
    guard.clientOptions({ interceptors: [marking, guard.interceptor] }),
  );
  for (let n = 0; n < 2; n++) await infer(request({ id: 'a' }));
  primary.down = true;
  expect(await infer(request({ id: 'a' }))).toBe('a for nobody, marked');
});

it('keeps no answer to the metadata of an interceptor that a single call brings along', async () => {
  const { infer, keeper, guard, primary } = await setUp();
  const by = metadata({ authorization: 'alice' });
  for (let n = 0; n < 2; n++) expect(await infer(request({ id: 'a' }), { by })).toBe('a for alice');
  const own = { interceptors: [guard.interceptor, asService] };
  expect(await infer(request({ id: 'b' }), { by, ...own })).toBe('b for service');
  const provided = { interceptor_providers: [() => guard.interceptor, () => asService] };
  expect(await infer(request({ id: 'c' }), { by, ...provided })).toBe('c for service');
  expect(await infer(request({ id: 'd' }), { by })).toBe('d for alice');
  expect(keeper.stats()).toMatchObject({ kept: 3, skipped: { otherCaller: 2, unknownCaller: 0 } });
  primary.down = true;
  expect(await infer(request({ id: 'b' }), { by })).toBe('an error');
  expect(await infer(request({ id: 'd' }), { by })).toBe('d for alice');
});

it('keeps no answer to the metadata of an interceptor that a provider gives from the second call on', async () => {
  let calls = 0;
  const provider = () => (calls++ === 0 ? (undefined as unknown as Interceptor) : asService);
  const { infer, keeper, warnings } = await setUp((guard) =>
    guard.clientOptions({ interceptor_providers: [provider] }),
  );
  const by = metadata({ authorization: 'alice' });
  expect(await infer(request({ id: 'a' }), { by })).toBe('a for alice');
  expect(await infer(request({ id: 'a' }), { by })).toBe('a for service');
  expect(keeper.stats()).toMatchObject({ kept: 1, skipped: { otherCaller: 1, unknownCaller: 0 } });
  expect(warnings).toEqual([]);
});

it('keeps no answer to the metadata of an interceptor that only another client of the same options has', async () => {
  const shared: { options?: ClientOptions } = {};
  const first = await setUp((guard) => {
    shared.options = guard.clientOptions();
    return shared.options;
  });
  const by = metadata({ authorization: 'alice' });
  for (let n = 0; n < 2; n++) await first.infer(request({ id: 'a' }), { by });
  const other = await startInferServer((call, done) =>
    done(null, response({ id: `for ${call.metadata.get('authorization')[0]}` })),
  );
  const second = new GRPCInferenceServiceClient(`127.0.0.1:${other.port}`, credentials.createInsecure(), {
    ...shared.options,
    interceptors: [first.guard.interceptor, asService],
  });
  closers.push(other.stop, () => second.close());
  const ask = () =>
    new Promise<string>((resolve) =>
      second.modelInfer(request({ id: 'a' }), by, (error, answer) => resolve(error?.details ?? answer.id)),
    );
  expect(await ask()).toBe('for service');
  expect(await ask()).toBe('for service');
  expect(first.keeper.stats()).toMatchObject({ kept: 2, skipped: { unknownCaller: 0, otherCaller: 2 } });
  expect(first.warnings).toEqual([]);
  await first.infer(request({ id: 'a' }), { by });
  expect(first.keeper.stats()).toMatchObject({ kept: 3 });
});

it('keeps each answer under the request as it was when it was sent', async () => {
  const { infer, primary, keeper } = await setUp();
  const reused = request({ id: 'a' });
  const answers: Promise<string>[] = [];
  for (const id of ['a', 'b', 'c', 'd']) {
    reused.id = id;
    answers.push(infer(reused));
  }
  reused.id = 'changed';
  expect(await Promise.all(answers)).toEqual(['a', 'b', 'c', 'd'].map((id) => `${id} for nobody`));
  expect(keeper.stats()).toMatchObject({ kept: 4 });
  primary.down = true;
  for (const id of ['a', 'b', 'c', 'd']) expect(await infer(request({ id }))).toBe(`${id} for nobody`);
  expect(await infer(request({ id: 'changed' }))).toBe('an error');
});

/** Sends every request twice at the same time, the second time under another id, and takes the first answer. */
const hedging: Interceptor = (options, nextCall) => {
  const calls = [nextCall(options), nextCall(options)] as const;
  let answered = false;
  return new InterceptingCall(calls[0], {
    start: (sent, listener, next) => {
      const once = {
        onReceiveMessage: (message: unknown) => {
          if (!answered) listener.onReceiveMessage(message);
        },
        onReceiveStatus: (ended: Parameters<typeof listener.onReceiveStatus>[0]) => {
          if (!answered) listener.onReceiveStatus(ended);
          answered = true;
        },
      };
      next(sent, once);
      calls[1].start(sent.clone(), once);
    },
    sendMessage: (message: ModelInferRequest, next) => {
      next(message);
      message.id += ' again';
      calls[1].sendMessage(message);
    },
    halfClose: (next) => {
      next();
      calls[1].halfClose();
    },
  });
};

it('keeps the answers of two attempts that share the call’s options under the request of each', async () => {
  const { infer, primary, keeper, guard } = await setUp((given) =>
    given.clientOptions({ interceptors: [hedging, given.interceptor] }),
  );
  for (const id of ['a', 'b']) await infer(request({ id }));
  await vi.waitFor(() => expect(guard.circuit(METHOD, 'demand').inFlight).toBe(0));
  expect(keeper.stats()).toMatchObject({ kept: 4 });
  primary.down = true;
  const direct = (id: string) => infer(request({ id }), { interceptors: [guard.interceptor] });
  for (const id of ['a', 'a again', 'b', 'b again']) expect(await direct(id)).toBe(`${id} for nobody`);
});

it('keeps an answer as the server gave it, though the caller writes into its bytes', async () => {
  const { infer, primary } = await setUp();
  for (let n = 0; n < 2; n++) {
    await infer(request({ id: 'a' }), {}, ({ rawOutputContents: [bytes] }) => bytes?.fill(9));
  }
  primary.down = true;
  let kept: ModelInferResponse | undefined;
  await infer(request({ id: 'a' }), {}, (answer) => {
    kept = answer;
  });
  expect(kept?.rawOutputContents).toEqual([Buffer.from([1, 2, 3])]);
});

it('gives a fallback the request as it was sent, which the primary failed to answer', async () => {
  const { port, stop } = await startInferServer((_call, done) =>
    done({ code: status.UNAVAILABLE, details: 'down' }),
  );
  const guard = createGuard({
    fallbacks: new FallbackRegistry().register(METHOD, [
      answerWith<ModelInferRequest, ModelInferResponse>('echo', async ({ request: asked, requestBytes }) =>
        response({ id: `${asked.id}, ${requestBytes && ModelInferRequest.decode(requestBytes).id}` }),
      ),
    ]),
  });
  const client = new GRPCInferenceServiceClient(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
    guard.clientOptions(),
  );
  closers.push(stop, () => client.close());
  const sent = request({ id: 'a' });
  const answer = await new Promise<string>((resolve) => {
    client.modelInfer(sent, (error, given) => resolve(error?.details ?? given.id));
    sent.id = 'changed';
  });
  expect(answer).toBe('a, a');
});

it('gives the caller the error of a request that cannot be encoded, and asks no fallback for it', async () => {
  const { infer, guard, keeper } = await setUp();
  await infer(request());
  const broken = { ...request(), modelName: 'demand', rawInputContents: 7 } as unknown as ModelInferRequest;
  expect(await infer(broken)).toBe('an error');
  expect(guard.circuit(METHOD, 'demand').inFlight).toBe(0);
  expect(keeper.stats()).toMatchObject({ kept: 1 });
});

it('does not keep an answer that is longer than `maxMessageBytes`, and knows it without encoding the answer', async () => {
  const { port, stop } = await startInferServer((call, done) =>
    done(null, response({ id: call.request.id, rawOutputContents: [Buffer.alloc(Number(call.request.id))] })),
  );
  const keeper = lastGood<ModelInferRequest, ModelInferResponse>({ maxMessageBytes: 1_000 });
  const guard = createGuard({ fallbacks: new FallbackRegistry().register(METHOD, [keeper]) });
  const client = new GRPCInferenceServiceClient(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
    guard.clientOptions(),
  );
  closers.push(stop, () => client.close());
  const ask = (bytes: number) =>
    new Promise<unknown>((resolve) => client.modelInfer(request({ id: `${bytes}` }), resolve));
  const encoded = vi.spyOn(ModelInferResponse, 'encode');
  onTestFinished(() => void vi.restoreAllMocks());
  for (const bytes of [2_000, 10, 2_000, 10]) expect(await ask(bytes)).toBeNull();
  expect(keeper.stats()).toMatchObject({ kept: 2, skipped: { tooLong: 2 } });
  expect(encoded).toHaveBeenCalledTimes(4); // by the server
});

it('keeps no answer of another host, though callers do not differ, and though earlier calls were sent as given', async () => {
  const sent: { host?: string } = {};
  const { keeper, guard, infer, primary } = await setUp(
    (given) => ({
      ...given.clientOptions(),
      interceptors: [
        (options, nextCall) =>
          given.interceptor(
            options,
            sent.host === undefined ? nextCall : (below) => nextCall({ ...below, ...sent }),
          ),
      ],
    }),
    lastGood({ vary: [] }),
  );
  await infer(request({ id: 'a' }));
  sent.host = 'other';
  expect(await infer(request({ id: 'b' }))).toBe('b for nobody');
  delete sent.host;
  expect(keeper.stats()).toMatchObject({ kept: 1, skipped: { otherCaller: 1 } });
  primary.down = true;
  expect(await infer(request({ id: 'b' }))).toBe('an error');
  expect(guard.circuit(METHOD, 'demand').inFlight).toBe(0);
});

it('keeps an answer under the host of its call, where an interceptor before the guard has changed the options since', async () => {
  const shared = {} as InterceptorOptions;
  const sent = { host: 'a' };
  const reusing: Interceptor = (options, nextCall) =>
    new InterceptingCall(nextCall(Object.assign(shared, options, sent)));
  const { keeper, infer, primary } = await setUp((given) =>
    given.clientOptions({ interceptors: [reusing, given.interceptor] }),
  );
  await infer(request({ id: 'first' }));
  const answers = [infer(request({ id: 'x' }))];
  sent.host = 'b';
  answers.push(infer(request({ id: 'y' })));
  expect(await Promise.all(answers)).toEqual(['x for nobody', 'y for nobody']);
  expect(keeper.stats()).toMatchObject({ kept: 3 });
  primary.down = true;
  expect(await infer(request({ id: 'x' }))).toBe('an error');
  sent.host = 'a';
  expect(await infer(request({ id: 'x' }))).toBe('x for nobody');
});

it('gives each call its own request, where an interceptor before the guard uses one definition for all calls', async () => {
  let definition: InterceptorOptions['method_definition'] | undefined;
  const reusing: Interceptor = (options, nextCall) => {
    definition ??= options.method_definition;
    return new InterceptingCall(nextCall({ ...options, method_definition: definition }));
  };
  const { infer, primary } = await setUp((given) =>
    given.clientOptions({ interceptors: [reusing, given.interceptor] }),
  );
  const ids = ['a', 'b', 'c', 'd'];
  expect(await infer(request({ id: 'first' }))).toBe('first for nobody');
  await Promise.all(ids.map((id) => infer(request({ id }))));
  primary.down = true;
  for (const id of ids) expect(await infer(request({ id }))).toBe(`${id} for nobody`);
});

it('keeps what the caller got, where the client decodes in its own way', async () => {
  const decoding: NonNullable<ClientOptions['callInvocationTransformer']> = (properties) => {
    const { methodDefinition } = properties;
    const responseDeserialize = (bytes: Buffer): ModelInferResponse => {
      const decoded: ModelInferResponse = methodDefinition.responseDeserialize(bytes);
      return { ...decoded, id: decoded.id.toUpperCase() };
    };
    return { ...properties, methodDefinition: { ...methodDefinition, responseDeserialize } };
  };
  const { infer, primary } = await setUp((guard) =>
    guard.clientOptions({ callInvocationTransformer: decoding }),
  );
  for (let n = 0; n < 2; n++) expect(await infer(request({ id: 'a' }))).toBe('A FOR NOBODY');
  primary.down = true;
  expect(await infer(request({ id: 'a' }))).toBe('A FOR NOBODY');
});

it('takes definitions whose properties are inherited', async () => {
  const { infer, keeper } = await setUp((guard) =>
    guard.clientOptions({
      callInvocationTransformer: (properties) => ({
        ...properties,
        methodDefinition: Object.create(properties.methodDefinition),
      }),
    }),
  );
  for (let n = 0; n < 2; n++) expect(await infer(request({ id: 'a' }))).toBe('a for nobody');
  expect(keeper.stats()).toMatchObject({ kept: 2 });
});

it.each<[string, (first: Guard, second: Guard) => ClientOptions]>([
  ['in the order of their options', (first, second) => first.clientOptions(second.clientOptions())],
  [
    'in the other order',
    (first, second) =>
      second.clientOptions({
        ...first.clientOptions(),
        interceptors: [first.interceptor, second.interceptor],
      }),
  ],
  [
    'before an interceptor',
    (first, second) => first.clientOptions(second.clientOptions({ interceptors: [passing] })),
  ],
])('keeps every answer for each of two guards, %s', async (_, optionsOf) => {
  const other = lastGood<ModelInferRequest, ModelInferResponse>();
  const second = createGuard({ fallbacks: new FallbackRegistry().register(METHOD, [other]) });
  const { infer, keeper, warnings } = await setUp((first) => optionsOf(first, second));
  for (let n = 0; n < 5; n++) await infer(request({ id: `call ${n}` }));
  expect([keeper.stats().kept, other.stats().kept]).toEqual([5, 5]);
  expect(warnings).toEqual([]);
});

it('takes the request that the guard was given, where the innermost call is changed in place', async () => {
  const changing: Interceptor = (options, nextCall) => {
    const call = nextCall(options) as InterceptingCall;
    const send = call.sendMessageWithContext.bind(call);
    call.sendMessageWithContext = (context, message: ModelInferRequest) =>
      send(context, { ...message, id: `tenant/${message.id}` });
    return call;
  };
  const { infer, primary } = await setUp((guard) => guard.clientOptions({ interceptors: [changing] }));
  for (let n = 0; n < 2; n++) expect(await infer(request({ id: 'a' }))).toBe('tenant/a for nobody');
  primary.down = true;
  expect(await infer(request({ id: 'tenant/a' }))).toBe('an error');
  expect(await infer(request({ id: 'a' }))).toBe('tenant/a for nobody');
});

it('keeps the answers of a channel whose bytes are no Buffers', async () => {
  const shared: { channel?: Channel } = {};
  const { infer, primary, keeper } = await setUp((guard) =>
    guard.clientOptions({
      callInvocationTransformer: (properties) => {
        shared.channel ??= withPlainBytes(properties.channel);
        return { ...properties, channel: shared.channel };
      },
    }),
  );
  for (let n = 0; n < 2; n++) expect(await infer(request({ id: 'a' }))).toBe('a for nobody');
  expect(keeper.stats()).toMatchObject({ kept: 2, failures: 0 });
  primary.down = true;
  expect(await infer(request({ id: 'a' }))).toBe('a for nobody');
});

/** A channel that gives the bytes of answers as Uint8Array. */
function withPlainBytes(channel: Channel): Channel {
  const createCall: Channel['createCall'] = (...args) => {
    const call = channel.createCall(...args);
    const start = call.start.bind(call);
    call.start = (sent, listener) =>
      start(sent, {
        onReceiveMetadata: (headers) => listener.onReceiveMetadata(headers),
        onReceiveMessage: (bytes: Buffer) => listener.onReceiveMessage(new Uint8Array(bytes)),
        onReceiveStatus: (ended) => listener.onReceiveStatus(ended),
      });
    return call;
  };
  return withCreateCall(channel, createCall);
}

it.each<[string, (guard: Guard) => ClientOptions]>([
  ['clientOptions()', (guard) => guard.clientOptions()],
  ['the interceptor', (guard) => ({ interceptors: [guard.interceptor] })],
])('ends a call whose encoder returns no bytes as the client does, attached by %s', async (_, optionsOf) => {
  const { guard, port } = await setUp();
  /** How the call ends: some versions of grpc-js throw. */
  const ask = async (options: ClientOptions) => {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options);
    closers.push(() => client.close());
    const nothing = (): Buffer => undefined as unknown as Buffer;
    const ended = new Promise((resolve) =>
      client.makeUnaryRequest(METHOD.path, nothing, METHOD.responseDeserialize, request(), (error) =>
        resolve(error?.message),
      ),
    );
    return ended.catch(String);
  };
  const bare = await ask({});
  expect(bare).toMatch(/^13 INTERNAL|^TypeError/);
  expect(await ask(optionsOf(guard))).toBe(bare);
  expect(guard.snapshots().map(({ inFlight }) => inFlight)).toEqual([0]);
});

it('does not hold the answer of the first call of a method', async () => {
  const { infer } = await setUp((guard) => guard.clientOptions({ interceptors: [passing] }));
  const answers: WeakRef<ModelInferResponse>[] = [];
  for (let n = 0; n < 2; n++)
    await infer(request({ id: 'a' }), {}, (answer) => void answers.push(new WeakRef(answer)));
  const areGone = () => answers.every((answer) => answer.deref() === undefined);
  await collectGarbage(areGone);
  expect(areGone()).toBe(true);
});

/** Replaces the functions of a call's definition in place, or in a copy of it. */
function wrapping(definition: InterceptorOptions['method_definition'], tenant: () => string) {
  const { requestSerialize, responseDeserialize } = definition;
  definition.requestSerialize = (message: ModelInferRequest) =>
    requestSerialize({ ...message, modelVersion: tenant() });
  definition.responseDeserialize = (bytes: Buffer) => {
    const decoded: ModelInferResponse = responseDeserialize(bytes);
    decoded.id = decoded.id.toUpperCase();
    return decoded;
  };
}

it.each<[string, (guard: Guard, tenant: () => string) => ClientOptions]>([
  [
    'an interceptor before the guard',
    (guard, tenant) =>
      guard.clientOptions({
        interceptors: [
          (options, nextCall) => {
            wrapping(options.method_definition, tenant);
            return new InterceptingCall(nextCall(options));
          },
          guard.interceptor,
        ],
      }),
  ],
  [
    'a transformer that was set after clientOptions()',
    (guard, tenant) => {
      const { callInvocationTransformer: ours, ...options } = guard.clientOptions();
      return {
        ...options,
        callInvocationTransformer: (properties) => {
          const transformed = ours?.(properties) ?? properties;
          const methodDefinition = { ...transformed.methodDefinition };
          wrapping(methodDefinition, tenant);
          return { ...transformed, methodDefinition };
        },
      };
    },
  ],
])(
  'goes by what is sent and what the caller gets, where the functions of a definition are replaced by %s',
  async (_, of) => {
    let tenant = 'acme';
    const { infer, primary, keeper } = await setUp((guard) => of(guard, () => tenant));
    for (let n = 0; n < 2; n++) expect(await infer(request({ id: 'a' }))).toBe('A FOR NOBODY');
    expect(keeper.stats()).toMatchObject({ kept: 2 });
    primary.down = true;
    expect(await infer(request({ id: 'a' }))).toBe('A FOR NOBODY');
    tenant = 'umbrella';
    expect(await infer(request({ id: 'a' }))).toBe('an error');
  },
);

it.each(['interceptors', 'interceptor_providers'])(
  'takes null for the `%s` of a call, as grpc-js does',
  async (name) => {
    const { infer } = await setUp();
    const options = { [name]: null } as unknown as CallOptions;
    expect(await infer(request({ id: 'a' }), options)).toBe('a for nobody');
  },
);

it('offers an answer that may be another caller’s as one that nothing proves', async () => {
  let behind = false;
  const sometimes: Interceptor = (options, nextCall) =>
    behind ? asService(options, nextCall) : (nextCall(options) as InterceptingCall);
  const { infer, offered } = await setUp((guard) => ({
    ...guard.clientOptions(),
    interceptors: [
      (options, nextCall) =>
        guard.interceptor(options, behind ? (below) => sometimes(below, nextCall) : nextCall),
    ],
  }));
  await infer(request());
  behind = true;
  await infer(request());
  expect(offered.map(({ sent }) => sent)).toEqual([1, 0]);
});

it('keeps what inherited options say: the host of a call', async () => {
  const inheriting: Interceptor = (options, nextCall) =>
    new InterceptingCall(nextCall(Object.create(Object.assign(options, { host: 'other' }))));
  const hosts: string[] = [];
  const { port, stop } = await startInferServer((call, done) => {
    hosts.push(call.getHost());
    done(null, response());
  });
  const keeper = lastGood<ModelInferRequest, ModelInferResponse>();
  const guard = createGuard({ fallbacks: new FallbackRegistry().register(METHOD, [keeper]) });
  const client = new GRPCInferenceServiceClient(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
    guard.clientOptions({ interceptors: [inheriting, guard.interceptor] }),
  );
  closers.push(stop, () => client.close());
  for (let n = 0; n < 2; n++) await new Promise((resolve) => client.modelInfer(request(), resolve));
  expect(hosts).toEqual(['other', 'other']);
  expect(keeper.stats()).toMatchObject({ kept: 2 });
});

/** A strategy that changes everything that it is given, and does not answer. */
const changing = answerWith<ModelInferRequest, ModelInferResponse>('changing', async (context) => {
  context.requestBytes?.fill(0);
  for (const bytes of context.request.rawInputContents) bytes.fill(0);
  return undefined;
});

/** The channel sends each message later, as grpc-js does while it resolves a name. */
function delayed(channel: Channel, delayMs: number): Channel {
  const createCall: Channel['createCall'] = (...args) => {
    const call = channel.createCall(...args);
    const { sendMessageWithContext: send, halfClose } = call;
    call.sendMessageWithContext = (context, bytes) =>
      void setTimeout(() => send.call(call, context, bytes), delayMs);
    call.halfClose = () => void setTimeout(() => halfClose.call(call), delayMs);
    return call;
  };
  return withCreateCall(channel, createCall);
}

it('sends and keeps the caller’s request, whatever a fallback of the slow call does with its copy', async () => {
  const inputs: string[] = [];
  const primary = { down: false };
  const { port, stop } = await startInferServer((call, done) => {
    if (primary.down) return done({ code: status.UNAVAILABLE, details: 'down' });
    inputs.push(String(call.request.rawInputContents[0]));
    done(null, response({ id: 'primary' }));
  });
  const keeper = lastGood<ModelInferRequest, ModelInferResponse>();
  const guard = createGuard({
    fallbackAfterMs: 20,
    fallbacks: new FallbackRegistry().register(METHOD, [keeper, changing], { slowShare: 1 }),
  });
  let channel: Channel | undefined;
  const client = new GRPCInferenceServiceClient(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
    guard.clientOptions({
      callInvocationTransformer: (properties) => {
        channel ??= delayed(properties.channel, 100);
        return { ...properties, channel };
      },
    }),
  );
  closers.push(stop, () => client.close());
  const ask = () =>
    new Promise<string>((resolve) =>
      client.modelInfer(request({ rawInputContents: [Buffer.from('the input')] }), (error, answer) =>
        resolve(error?.details ?? answer.id),
      ),
    );
  expect(await ask()).toBe('primary');
  expect(inputs).toEqual(['the input']);
  primary.down = true;
  expect(await ask()).toBe('primary');
});

it('gives a fallback each request once, where one definition serves all calls', async () => {
  const asked: (string | undefined)[][] = [];
  const { port, stop } = await startInferServer((_call, done) =>
    done({ code: status.UNAVAILABLE, details: 'down' }),
  );
  const noting = answerWith<ModelInferRequest, ModelInferResponse>('noting', async ({ requests }) => {
    asked.push(requests.map(({ id }) => id));
    return undefined;
  });
  const guard = createGuard({ fallbacks: new FallbackRegistry().register(METHOD, [noting]) });
  let definition: InterceptorOptions['method_definition'] | undefined;
  const reusing: Interceptor = (options, nextCall) => {
    definition ??= options.method_definition;
    return new InterceptingCall(nextCall({ ...options, method_definition: definition }));
  };
  const client = new GRPCInferenceServiceClient(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
    guard.clientOptions({ interceptors: [reusing, guard.interceptor] }),
  );
  closers.push(stop, () => client.close());
  for (const id of ['a', 'b', 'c'])
    await new Promise((resolve) => client.modelInfer(request({ id }), resolve));
  expect(asked).toEqual([['a'], ['b'], ['c']]);
});

it('shares the notes with another copy of the package, which holds no answer', async () => {
  vi.resetModules();
  const copy = await import('failsoft');
  expect(copy.createGuard).not.toBe(createGuard);
  const other = copy.lastGood<ModelInferRequest, ModelInferResponse>();
  const second = copy.createGuard({ fallbacks: new copy.FallbackRegistry().register(METHOD, [other]) });
  const { infer, keeper } = await setUp((first) => first.clientOptions(second.clientOptions()));
  const answers: WeakRef<ModelInferResponse>[] = [];
  for (let n = 0; n < 3; n++)
    await infer(request({ id: `${n}` }), {}, (answer) => void answers.push(new WeakRef(answer)));
  expect([keeper.stats().kept, other.stats().kept]).toEqual([3, 3]);
  const areGone = () => answers.every((answer) => answer.deref() === undefined);
  await collectGarbage(areGone);
  expect(areGone()).toBe(true);
});

it.each<[string, (guard: Guard, definition: CallProperties['methodDefinition']) => ClientOptions]>([
  ['with none of the user’s', (guard) => guard.clientOptions()],
  [
    'before the guard’s',
    (guard, methodDefinition) =>
      guard.clientOptions({
        callInvocationTransformer: (properties) => ({ ...properties, methodDefinition }),
      }),
  ],
  [
    'around the guard’s',
    (guard, methodDefinition) => {
      const { callInvocationTransformer: ours, ...options } = guard.clientOptions();
      return {
        ...options,
        callInvocationTransformer: (properties) => ours?.({ ...properties, methodDefinition }) ?? properties,
      };
    },
  ],
])('changes no definition that serves several calls, by a transformer %s', async (_, optionsOf) => {
  const before = { ...METHOD };
  const shared = { ...METHOD };
  const frozen = Object.freeze({
    path: METHOD.path,
    requestStream: false,
    responseStream: false,
    requestSerialize: METHOD.requestSerialize,
    responseDeserialize: METHOD.responseDeserialize,
  });
  for (const definition of [shared, frozen]) {
    const { infer, keeper } = await setUp((guard) => optionsOf(guard, definition));
    for (let n = 0; n < 2; n++) expect(await infer(request({ id: 'a' }))).toBe('a for nobody');
    expect(keeper.stats()).toMatchObject({ kept: 2 });
  }
  for (const definition of [METHOD, shared]) {
    expect(definition).toStrictEqual(before);
    expect(Object.getOwnPropertySymbols(definition)).toEqual([]);
  }
});
