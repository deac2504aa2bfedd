import {
  credentials,
  InterceptingCall,
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
    if (primary.down) return done({ code: status.UNAVAILABLE, details: 'down' });
    call.sendMetadata(headers);
    done(null, response({ id: `for ${call.metadata.get('authorization')[0]}` }));
  });
  const keeper = lastGood<ModelInferRequest, ModelInferResponse>();
  const guard = createGuard({ fallbacks: new FallbackRegistry().register(METHOD, [keeper]) });
  const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    interceptors: [guard.interceptor, behind].flat(),
  });
  closers.push(stop, () => client.close());
  const infer = (by: Metadata) =>
    new Promise<string>((resolve) => {
      client.modelInfer(request(), by, (error: ServiceError | null, answer: ModelInferResponse) =>
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
    ['in a later turn', later],
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

  it('is not kept where the answer is labelled as degraded', async () => {
    const { infer, primary, keeper } = await setUp(asItIs, metadata({ 'failsoft-source': 'default' }));
    const alice = metadata({ authorization: 'alice' });
    expect(await infer(alice)).toBe('for alice');
    expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { degraded: 1 } });
    primary.down = true;
    expect(await infer(alice)).toBe('an error');
  });
});
