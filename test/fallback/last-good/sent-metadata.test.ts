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
import { createGuard, FallbackRegistry, lastGood } from 'failsoft';
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

/** A server that answers for the token it sees, and a client whose guard stands before an interceptor. */
async function setUp(behind: Interceptor | Interceptor[], headers = new Metadata()) {
  const primary = { down: false };
  const { port, stop } = await startInferServer((call, done) => {
    const [token] = call.metadata.get('authorization');
    if (primary.down || token === 'refused') return done({ code: status.UNAVAILABLE, details: 'down' });
    call.sendMetadata(headers);
    done(null, response({ id: `for ${call.metadata.get('authorization')[0]}` }));
  });
  const keeper = lastGood<ModelInferRequest, ModelInferResponse>();
  const guard = createGuard({ fallbacks: new FallbackRegistry().register(METHOD, [keeper]) });
  const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    interceptors: [guard.interceptor, behind].flat(),
  });
  closers.push(stop, () => client.close());
  const infer = (by: Metadata, options: CallOptions = {}) =>
    new Promise<string>((resolve) => {
      client.modelInfer(request(), by, options, (error: ServiceError | null, answer: ModelInferResponse) =>
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

describe('what an interceptor behind the guard sends', () => {
  it('is kept where it is what the caller sent', async () => {
    const { infer, primary } = await setUp(asItIs);
    expect(await infer(metadata({ authorization: 'alice' }))).toBe('for alice');
    primary.down = true;
    expect(await infer(metadata({ authorization: 'alice' }))).toBe('for alice');
    expect(await infer(metadata({ authorization: 'bob' }))).toBe('an error');
  });

  it.each([
    ['in the metadata it is given', set],
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
    const { infer, primary, keeper } = await setUp(behind);
    const alice = metadata({ authorization: 'alice' });
    expect(await infer(alice)).toBe('for service');
    expect(alice.get('authorization')).toEqual(['alice']);
    expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { otherCaller: 1 } });
    primary.down = true;
    expect(await infer(alice)).toBe('an error');
    expect(await infer(metadata({ authorization: 'service' }))).toBe('an error');
  });

  it.each([
    ['in a later turn, made anew', later, 'for service'],
    ['that it makes anew, with the same token', anew, 'for alice'],
  ])('is not kept where nothing shows what was sent: %s', async (_, behind, answer) => {
    const { infer, primary, keeper } = await setUp(behind);
    const alice = metadata({ authorization: 'alice' });
    expect(await infer(alice)).toBe(answer);
    expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { unknownCaller: 1 } });
    primary.down = true;
    expect(await infer(alice)).toBe('an error');
  });

  it.each([
    ['another interceptor', asItIs],
    ['a copy', changing((sent) => sent.clone())],
    ['a second guard', secondGuard],
    ['a call that is no InterceptingCall', foreign],
    ['all of them', [asItIs, secondGuard, foreign, changing((sent) => sent.clone())]],
  ])('is kept behind %s', async (_, behind) => {
    const { infer, primary, keeper } = await setUp(behind);
    const alice = metadata({ authorization: 'alice' });
    expect(await infer(alice)).toBe('for alice');
    expect(keeper.stats()).toMatchObject({ kept: 1 });
    primary.down = true;
    expect(await infer(alice)).toBe('for alice');
  });

  it('is kept with call credentials, whose token is not the caller’s metadata', async () => {
    const { infer, primary, keeper } = await setUp(asItIs);
    const bearer = credentials.createFromMetadataGenerator((_options, done) =>
      done(null, metadata({ authorization: 'by credentials' })),
    );
    const asked = () => infer(new Metadata(), { credentials: bearer });
    expect(await asked()).toBe('for by credentials');
    expect(keeper.stats()).toMatchObject({ kept: 1 });
    primary.down = true;
    expect(await asked()).toBe('for by credentials');
    expect(await infer(new Metadata())).toBe('an error');
  });

  it('is not kept where the answer is labelled as degraded', async () => {
    const { infer, primary, keeper } = await setUp(asItIs, metadata({ 'failsoft-source': 'default' }));
    const alice = metadata({ authorization: 'alice' });
    expect(await infer(alice)).toBe('for alice');
    expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { degraded: 1 } });
    primary.down = true;
    expect(await infer(alice)).toBe('an error');
  });
});
