import { createRequire } from 'node:module';
import {
  type CallOptions,
  credentials,
  InterceptingCall,
  type InterceptingListener,
  type Interceptor,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { createGuard, FallbackRegistry, type Guard, lastGood, type WarningEvent } from 'failsoft';
import {
  GRPCInferenceServiceClient,
  type ModelInferRequest,
  type ModelInferResponse,
} from 'failsoft/protos/oip';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import { startInferServer } from '../infer-server.js';
import { METHOD, metadata, request, response } from '../support.js';

const closers = closedAfterEach();

/** The ways to attach a guard among interceptors: the options of the client, and of its calls. */
const attachments = {
  clientOptions: (guard: Guard, interceptors: Interceptor[]) => ({
    ofClient: guard.clientOptions({ interceptors }),
    ofCall: {},
  }),
  interceptor: (_guard: Guard, interceptors: Interceptor[]) => ({ ofClient: { interceptors }, ofCall: {} }),
  'interceptors of the call': (guard: Guard, interceptors: Interceptor[]) => ({
    ofClient: guard.clientOptions(),
    ofCall: { interceptors },
  }),
};
type Attachment = keyof typeof attachments;

interface SetUp {
  readonly before?: Interceptor[];
  readonly headers?: Metadata;
  readonly vary?: string[];
  readonly keyOf?: (request: ModelInferRequest, metadata: Metadata) => string;
}

/** A server that answers for the token it sees, and a client whose guard stands before interceptors. */
async function setUp(
  attachment: Attachment,
  behind: Interceptor | Interceptor[],
  { before = [], headers = new Metadata(), vary = ['authorization'], keyOf }: SetUp = {},
) {
  const primary = { down: false, refused: 'refused' };
  const { port, stop } = await startInferServer((call, done) => {
    const [token] = call.metadata.get('authorization');
    if (primary.down || token === primary.refused) return done({ code: status.UNAVAILABLE, details: 'down' });
    call.sendMetadata(headers);
    done(null, response({ id: `for ${call.metadata.get('authorization')[0]}` }));
  });
  const keeper = lastGood<ModelInferRequest, ModelInferResponse>({ vary, ...(keyOf && { keyOf }) });
  const guard = createGuard({ fallbacks: new FallbackRegistry().register(METHOD, [keeper]) });
  const interceptors = [before, guard.interceptor, behind].flat();
  const { ofClient, ofCall } = attachments[attachment](guard, interceptors);
  const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), ofClient);
  closers.push(stop, () => client.close());
  const infer = (by: Metadata, options: CallOptions = {}) =>
    new Promise<string>((resolve) => {
      client.modelInfer(
        request(),
        by,
        { ...ofCall, ...options },
        (error: ServiceError | null, answer: ModelInferResponse) =>
          resolve(error === null ? answer.id : 'an error'),
      );
    });
  return { primary, infer, keeper, guard, port };
}

const changing =
  (change: (sent: Metadata) => Metadata): Interceptor =>
  (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (sent, listener, next) => next(change(sent), listener),
    });

const asItIs = changing((sent) => sent);
const set = changing((sent) => {
  sent.set('authorization', 'service');
  return sent;
});
const copied = changing((sent) => {
  const copy = sent.clone();
  copy.set('authorization', 'service');
  return copy;
});

const merged = changing((sent) => {
  const more = metadata({ 'x-more': '1' });
  more.set('authorization', 'service');
  sent.remove('authorization');
  sent.merge(more);
  return sent;
});
const anew = changing((sent) => {
  sent.clone().toHttp2Headers(); // as for a log
  return metadata({ authorization: String(sent.get('authorization')[0] ?? '') });
});
/** Makes headers of a copy that is as far from the original as the one that grpc-js sends, and further. */
const logged = changing((sent) => {
  let copy = sent;
  for (let copies = 0; copies < 5; copies++) {
    copy.toHttp2Headers();
    copy = copy.clone();
  }
  return metadata({ authorization: 'service' });
});
/** Asks another server, as its caller, for the token that it then sends. */
const fetching =
  (tokens: GRPCInferenceServiceClient, ask: 'modelInfer' | 'modelReady'): Interceptor =>
  (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (sent, listener, next) => {
        const goOn = () => next(metadata({ authorization: 'service' }), listener);
        if (ask === 'modelInfer') tokens.modelInfer(request(), sent, goOn);
        else tokens.modelReady({ name: 'tokens', version: '' }, sent, goOn);
      },
    });
/** Sends the call twice: first as its caller, to see whether a new release does well, and then as itself. */
const shadowing: Interceptor = (options, nextCall) => {
  const shadow = nextCall(options);
  return new InterceptingCall(nextCall(options), {
    start: (sent, listener, next) => {
      shadow.start(sent.clone(), {
        onReceiveStatus: () => next(metadata({ authorization: 'service' }), listener),
      });
      shadow.sendMessage(request());
      shadow.halfClose();
    },
  });
};
const bearer = (token: string) =>
  credentials.createFromMetadataGenerator((_options, done) => done(null, metadata({ authorization: token })));
const withOptions =
  (changed: CallOptions): Interceptor =>
  (options, nextCall) =>
    new InterceptingCall(nextCall({ ...options, ...changed }));

/** Sets the token for the time of the start alone. */
const restoring: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start: (sent, listener, next) => {
      const own = String(sent.get('authorization')[0]);
      sent.set('authorization', 'service');
      next(sent, listener);
      sent.set('authorization', own);
    },
  });

/** Sends the call again, with other metadata than the first time, where the server has refused it. */
const retrying =
  (firstOf: (sent: Metadata) => Metadata, secondOf: (sent: Metadata) => Metadata): Interceptor =>
  (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (sent, listener, next) =>
        next(firstOf(sent), {
          onReceiveMessage: (message, pass) => message !== null && pass(message),
          onReceiveStatus: (ended, pass) => {
            if (ended.code === status.OK) return pass(ended);
            const again = nextCall(options);
            again.start(secondOf(sent), listener);
            again.sendMessage(request());
            again.halfClose();
          },
        }),
    });
const withToken = (token: string) => (sent: Metadata) => {
  const copy = sent.clone();
  copy.set('authorization', token);
  return copy;
};
/** Fetches a new token where the server has refused the caller's own, which was sent unchanged. */
const refreshing = retrying(
  (sent) => sent,
  () => metadata({ authorization: 'service' }),
);

/** A call that is no InterceptingCall, before an interceptor that sets the token. */
const foreign: Interceptor = (options, nextCall) => {
  const call = nextCall(options);
  return {
    start: (sent: Metadata, listener: InterceptingListener) => call.start(sent.clone(), listener),
    sendMessageWithContext: call.sendMessageWithContext.bind(call),
    sendMessage: call.sendMessage.bind(call),
    startRead: () => call.startRead(),
    halfClose: () => call.halfClose(),
    cancelWithStatus: call.cancelWithStatus.bind(call),
    getPeer: () => call.getPeer(),
    getAuthContext: () => null,
  } as unknown as InterceptingCall;
};
const secondGuard: Interceptor = (options, nextCall) => {
  const keeper = lastGood<ModelInferRequest, ModelInferResponse>();
  const second = createGuard({ fallbacks: new FallbackRegistry().register(METHOD, [keeper]) });
  return second.interceptor(options, nextCall);
};

const later: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start: (_sent, listener, next) =>
      void setImmediate(() => next(metadata({ authorization: 'service' }), listener)),
  });

/** grpc-js, loaded again. */
function secondCopy(): typeof import('@grpc/grpc-js') {
  const require = createRequire(import.meta.url);
  const first = { ...require.cache };
  for (const file of Object.keys(first)) if (file.includes('/@grpc/grpc-js/')) delete require.cache[file];
  try {
    return require('@grpc/grpc-js');
  } finally {
    Object.assign(require.cache, first);
  }
}

const ways = Object.keys(attachments) as Attachment[];
/** The guard reads what is given to the channel. */
const exact = ways.filter((way) => way !== 'interceptor');
/** With `guard.interceptor` alone, nothing proves what an interceptor behind the guard has sent. */
const reasonBehind = (way: Attachment) => (way === 'interceptor' ? 'unknownCaller' : 'otherCaller');

async function expectNotKept(
  { infer, primary, keeper }: Awaited<ReturnType<typeof setUp>>,
  answer: string,
  reason: 'otherCaller' | 'unknownCaller',
) {
  const alice = metadata({ authorization: 'alice' });
  expect(await infer(alice)).toBe(answer);
  expect(alice.get('authorization')).toEqual(['alice']);
  expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { [reason]: 1 } });
  primary.down = true;
  expect(await infer(alice)).toBe('an error');
  expect(await infer(metadata({ authorization: 'service' }))).toBe('an error');
}

/** Two servers: for the calls, and for the tokens. */
async function withTokens(way: Attachment, ask: 'modelInfer' | 'modelReady') {
  const tokens = await startInferServer((_call, done) => done(null, response()));
  closers.push(tokens.stop);
  return setUp(way, fetching(tokens.client, ask));
}

/** Keeps alice's answer, and gives it to nobody else. */
async function expectKept({ infer, primary, keeper }: Awaited<ReturnType<typeof setUp>>) {
  const alice = metadata({ authorization: 'alice' });
  expect(await infer(alice)).toBe('for alice');
  expect(keeper.stats()).toMatchObject({ kept: 1 });
  primary.down = true;
  expect(await infer(alice)).toBe('for alice');
  expect(await infer(metadata({ authorization: 'bob' }))).toBe('an error');
}

describe.each(ways)('an answer to metadata that an interceptor behind the guard sends (%s)', (way) => {
  it.each([
    ['in the metadata it is given', set],
    ['in the metadata it is given, and takes it out again', restoring],
    ['in a copy', copied],
    ['in a copy, before another interceptor', [copied, asItIs]],
    ['in a copy, after another interceptor', [asItIs, copied]],
    ['by a merge', merged],
    ['in new metadata, in a later turn', later],
    ['in new metadata, after headers of copies for a log', logged],
    ['behind a second guard', [secondGuard, set]],
    ['in a copy, behind a second guard', [asItIs, secondGuard, copied]],
    ['in new metadata, behind a second guard', [secondGuard, logged]],
    ['behind a call that is no InterceptingCall', [foreign, copied]],
    ['in a retry', retrying(withToken('refused'), withToken('service'))],
    [
      'in a retry, behind others',
      [asItIs, foreign, secondGuard, retrying(withToken('refused'), withToken('service'))],
    ],
  ])('is not kept where it sets another token %s', async (_, behind) => {
    await expectNotKept(await setUp(way, behind), 'for service', reasonBehind(way));
  });

  it('is not kept where it sends the caller’s token first, is refused, and sends new metadata with a fresh token', async () => {
    const client = await setUp(way, refreshing);
    client.primary.refused = 'alice';
    await expectNotKept(client, 'for service', reasonBehind(way));
  });

  it('is not kept where it has sent the metadata to another server first', async () => {
    await expectNotKept(await withTokens(way, 'modelReady'), 'for service', reasonBehind(way));
  });

  it('is not kept where `keyOf` reads the metadata that were changed', async () => {
    const keyOf = (_request: ModelInferRequest, by: Metadata) => String(by.get('authorization')[0]);
    await expectNotKept(await setUp(way, copied, { vary: [], keyOf }), 'for service', reasonBehind(way));
  });

  it('is not kept where it answers without a call, unless callers do not differ', async () => {
    const answering: Interceptor = (options, nextCall) => {
      let caller: InterceptingListener | undefined;
      return new InterceptingCall(nextCall(options), {
        start: (_sent, listener) => {
          caller = listener;
        },
        sendMessage: () => undefined,
        halfClose: () => {
          caller?.onReceiveMessage(response({ id: 'for service' }));
          caller?.onReceiveStatus({ code: status.OK, details: '', metadata: new Metadata() });
        },
      });
    };
    const { infer, keeper } = await setUp(way, answering);
    expect(await infer(metadata({ authorization: 'alice' }))).toBe('for service');
    expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { unknownCaller: 1 } });
    const shared = await setUp(way, answering, { vary: [] });
    expect(await shared.infer(new Metadata())).toBe('for service');
    expect(shared.keeper.stats()).toMatchObject({ kept: 1 });
  });

  it('is kept where the interceptors stand before the guard', async () => {
    await expectKept(await setUp(way, [], { before: [asItIs, secondGuard, foreign] }));
  });

  it('is kept with call credentials, whose token is not the caller’s metadata', async () => {
    const { infer, primary, keeper } = await setUp(way, [], { before: [asItIs] });
    const byCredentials = bearer('by credentials');
    const asked = () => infer(new Metadata(), { credentials: byCredentials });
    expect(await asked()).toBe('for by credentials');
    expect(keeper.stats()).toMatchObject({ kept: 1 });
    primary.down = true;
    expect(await asked()).toBe('for by credentials');
    expect(await infer(new Metadata())).toBe('an error');
  });

  it('is not kept where the answer is labelled as degraded', async () => {
    const headers = metadata({ 'failsoft-source': 'default' });
    const { infer, primary, keeper } = await setUp(way, asItIs, { headers });
    const alice = metadata({ authorization: 'alice' });
    expect(await infer(alice)).toBe('for alice');
    expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { degraded: 1 } });
    primary.down = true;
    expect(await infer(alice)).toBe('an error');
  });
});

/** Interceptors that send what they are given. */
const harmless: [string, Interceptor | Interceptor[]][] = [
  ['another interceptor', asItIs],
  ['a copy', changing((sent) => sent.clone())],
  ['new metadata', anew],
  ['a second guard', secondGuard],
  ['a call that is no InterceptingCall', foreign],
  ['all of them', [asItIs, secondGuard, foreign, changing((sent) => sent.clone())]],
];

describe.each(exact)('what is given to the channel, read by the guard (%s)', (way) => {
  it.each(harmless)('is kept where the same token is sent behind %s', async (_, behind) => {
    await expectKept(await setUp(way, behind));
  });

  it.each(['modelInfer', 'modelReady'] as const)('is no call of another client (%s)', async (ask) => {
    await expectNotKept(await withTokens(way, ask), 'for service', 'otherCaller');
  });

  it('is every call that an interceptor makes of one', async () => {
    await expectNotKept(await setUp(way, shadowing), 'for service', 'otherCaller');
  });

  it('has other call credentials where an interceptor gives them', async () => {
    const { infer, primary, keeper } = await setUp(way, withOptions({ credentials: bearer('service') }));
    expect(await infer(new Metadata())).toBe('for service');
    expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { otherCaller: 1 } });
    primary.down = true;
    expect(await infer(new Metadata())).toBe('an error');
  });

  it('has another host where an interceptor gives one', async () => {
    const { infer, keeper } = await setUp(way, withOptions({ host: 'tenant-b' }));
    expect(await infer(metadata({ authorization: 'alice' }))).toBe('for alice');
    expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { otherCaller: 1 } });
  });

  it('is as the caller asked where it gives null for no credentials and no host', async () => {
    const { infer, primary, keeper } = await setUp(way, asItIs);
    const none: object = { credentials: null, host: null };
    const asked = () => infer(metadata({ authorization: 'alice' }), none);
    expect(await asked()).toBe('for alice');
    expect(keeper.stats()).toMatchObject({ kept: 1, failures: 0, skipped: { otherCaller: 0 } });
    primary.down = true;
    expect(await asked()).toBe('for alice');
  });

  it('is no call of this one where an interceptor makes another client’s call with the same options', async () => {
    let other: GRPCInferenceServiceClient | undefined;
    const hedging: Interceptor = (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (sent, _listener, next) => {
          const { interceptors: _interceptors, ...shared } = options;
          const asked = new Promise((resolve) => other?.modelInfer(request(), sent, shared, resolve));
          // sent while the other client's call waits for its answer
          next(sent, { onReceiveStatus: (ended, pass) => void asked.then(() => pass(ended)) });
        },
      });
    const { infer, keeper, guard, port } = await setUp(way, asItIs, { before: [hedging] });
    other = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
      interceptors: [guard.interceptor, copied],
    });
    closers.push(() => other?.close());
    expect(await infer(metadata({ authorization: 'alice' }))).toBe('for alice');
    expect(keeper.stats()).toMatchObject({ kept: 1, skipped: { unknownCaller: 1, otherCaller: 0 } });
  });

  it('is the last try alone where an interceptor before the guard tries again with another token', async () => {
    const renewing: Interceptor = (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (sent, listener, next) =>
          next(metadata({ authorization: 'refused' }), {
            onReceiveMessage: (message, pass) => message !== null && pass(message),
            onReceiveStatus: (ended, pass) => {
              if (ended.code === status.OK) return pass(ended);
              const again = nextCall(options);
              again.start(sent, listener);
              again.sendMessage(request());
              again.halfClose();
            },
          }),
      });
    const { infer, keeper } = await setUp(way, asItIs, { before: [renewing] });
    expect(await infer(metadata({ authorization: 'renewed' }))).toBe('for renewed');
    expect(keeper.stats()).toMatchObject({ kept: 1 });
  });
});

describe('with `guard.interceptor` alone', () => {
  it.each(harmless)('nothing proves that the same token is sent behind %s', async (_, behind) => {
    await expectNotKept(await setUp('interceptor', behind), 'for alice', 'unknownCaller');
  });

  /** Gives back grpc-js's own call, which it has made with other options. */
  const bare =
    (changed: CallOptions): Interceptor =>
    (options, nextCall) =>
      nextCall({ ...options, ...changed }) as InterceptingCall;

  it('nothing proves with which call credentials an interceptor has made grpc-js’s own call', async () => {
    const { infer, keeper } = await setUp('interceptor', bare({ credentials: bearer('service') }));
    expect(await infer(new Metadata())).toBe('for service');
    expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { unknownCaller: 1 } });
  });

  it('nothing proves for which host an interceptor has made grpc-js’s own call', async () => {
    await expectNotKept(await setUp('interceptor', bare({ host: 'tenant-b' })), 'for alice', 'unknownCaller');
  });

  it('nothing proves what the call of another copy of grpc-js sends', async () => {
    const other = secondCopy();
    const { guard, keeper, port } = await setUp('interceptor', []);
    const client = new other.Client(`127.0.0.1:${port}`, other.credentials.createInsecure(), {
      interceptors: [guard.interceptor],
    });
    closers.push(() => client.close());
    const answer = await new Promise((resolve) => {
      const { path, requestSerialize, responseDeserialize } = METHOD;
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request(), (_error, given) =>
        resolve(given),
      );
    });
    expect(answer).toMatchObject({ id: 'for undefined' });
    expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { unknownCaller: 1 } });
  });

  it('a call of grpc-js whose start another interceptor has replaced is not trusted', async () => {
    const patching: Interceptor = (options, nextCall) => {
      const call = nextCall(options);
      const { start } = call;
      call.start = (_sent, listener) => start.call(call, metadata({ authorization: 'service' }), listener);
      return call as InterceptingCall;
    };
    await expectNotKept(await setUp('interceptor', patching), 'for service', 'unknownCaller');
  });
});

it('an answer to an unknown caller is a warning, once per method, that tells what to do', async () => {
  const written: string[] = [];
  const note = ({ name, message }: Error) => name === 'FailsoftWarning' && written.push(message);
  process.on('warning', note);
  closers.push(() => process.removeListener('warning', note));
  const { guard, infer, keeper } = await setUp('interceptor', asItIs);
  const events: WarningEvent[] = [];
  guard.on('warning', (event) => events.push(event));
  for (let calls = 0; calls < 3; calls++) await infer(metadata({ authorization: 'alice' }));
  expect(keeper.stats().skipped.unknownCaller).toBe(3);
  const text = expect.stringMatching(/guard last .*guard\.clientOptions\({ interceptors }\).*vary: \[\]/);
  expect(events).toEqual([{ source: `lastGood of ${METHOD.path}`, error: text, count: 1 }]);
  expect(written).toEqual([text]);
});
