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
import { createGuard, FallbackRegistry, type Guard, lastGood } from 'failsoft';
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
}

/** A server that answers for the token it sees, and a client whose guard stands before interceptors. */
async function setUp(
  attachment: Attachment,
  behind: Interceptor | Interceptor[],
  { before = [], headers = new Metadata(), vary = ['authorization'] }: SetUp = {},
) {
  const primary = { down: false };
  const { port, stop } = await startInferServer((call, done) => {
    const [token] = call.metadata.get('authorization');
    if (primary.down || token === 'refused') return done({ code: status.UNAVAILABLE, details: 'down' });
    call.sendMetadata(headers);
    done(null, response({ id: `for ${call.metadata.get('authorization')[0]}` }));
  });
  const keeper = lastGood<ModelInferRequest, ModelInferResponse>({ vary });
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
  return { primary, infer, keeper };
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

/** Sends the call again, with another token than the first time, where the server has refused it. */
const retrying: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start: (sent, listener, next) => {
      const first = sent.clone();
      first.set('authorization', 'refused');
      next(first, {
        onReceiveMessage: (message, pass) => message !== null && pass(message),
        onReceiveStatus: (ended, pass) => {
          if (ended.code === status.OK) return pass(ended);
          const again = nextCall(options);
          const second = sent.clone();
          second.set('authorization', 'service');
          again.start(second, listener);
          again.sendMessage(request());
          again.halfClose();
        },
      });
    },
  });

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

const ways = Object.keys(attachments) as Attachment[];
/** The guard reads what is given to the channel. */
const exact = ways.filter((way) => way !== 'interceptor');

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

describe.each(ways)('an answer to metadata that an interceptor behind the guard sends (%s)', (way) => {
  it('is kept where the caller sent the same metadata', async () => {
    const { infer, primary } = await setUp(way, asItIs);
    expect(await infer(metadata({ authorization: 'alice' }))).toBe('for alice');
    primary.down = true;
    expect(await infer(metadata({ authorization: 'alice' }))).toBe('for alice');
    expect(await infer(metadata({ authorization: 'bob' }))).toBe('an error');
  });

  it.each([
    ['in the metadata it is given', set],
    ['in the metadata it is given, and takes it out again', restoring],
    ['in a copy', copied],
    ['in a copy, before another interceptor', [copied, asItIs]],
    ['in a copy, after another interceptor', [asItIs, copied]],
    ['by a merge', merged],
    ['behind a second guard', [secondGuard, set]],
    ['in a copy, behind a second guard', [asItIs, secondGuard, copied]],
    ['behind a call that is no InterceptingCall', [foreign, copied]],
    ['in a retry', retrying],
    ['in a retry, behind others', [asItIs, foreign, secondGuard, retrying]],
  ])('is not kept where it sets another token %s', async (_, behind) => {
    await expectNotKept(await setUp(way, behind), 'for service', 'otherCaller');
  });

  it.each([
    ['in a later turn', later],
    ['after headers of copies for a log', logged],
    ['behind a second guard, after headers of copies for a log', [secondGuard, logged]],
  ])('is not kept where it makes metadata with another token %s', async (_, behind) => {
    const reason = way === 'interceptor' ? 'unknownCaller' : 'otherCaller';
    await expectNotKept(await setUp(way, behind), 'for service', reason);
  });

  it('is not kept where it has sent the metadata to another server first', async () => {
    const reason = way === 'interceptor' ? 'unknownCaller' : 'otherCaller';
    await expectNotKept(await withTokens(way, 'modelReady'), 'for service', reason);
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

  it.each([
    ['another interceptor', asItIs],
    ['a copy', changing((sent) => sent.clone())],
    ['a second guard', secondGuard],
    ['a call that is no InterceptingCall', foreign],
    ['all of them', [asItIs, secondGuard, foreign, changing((sent) => sent.clone())]],
  ])('is kept behind %s', async (_, behind) => {
    const { infer, primary, keeper } = await setUp(way, behind);
    const alice = metadata({ authorization: 'alice' });
    expect(await infer(alice)).toBe('for alice');
    expect(keeper.stats()).toMatchObject({ kept: 1 });
    primary.down = true;
    expect(await infer(alice)).toBe('for alice');
  });

  it('is kept with call credentials, whose token is not the caller’s metadata', async () => {
    const { infer, primary, keeper } = await setUp(way, asItIs);
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

describe.each(exact)('what is given to the channel, read by the guard (%s)', (way) => {
  it('is kept where an interceptor makes metadata with the same token', async () => {
    const { infer, primary } = await setUp(way, anew);
    const alice = metadata({ authorization: 'alice' });
    expect(await infer(alice)).toBe('for alice');
    primary.down = true;
    expect(await infer(alice)).toBe('for alice');
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

describe('behind `guard.interceptor` alone', () => {
  it('nothing shows what was sent where an interceptor makes metadata with the same token', async () => {
    await expectNotKept(await setUp('interceptor', anew), 'for alice', 'unknownCaller');
  });
});
