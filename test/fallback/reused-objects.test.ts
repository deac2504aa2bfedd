import {
  credentials,
  InterceptingCall,
  type Interceptor,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import {
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  type FallbackStrategy,
  lastGood,
  secondaryModel,
} from 'failsoft';
import {
  GRPCInferenceServiceClient,
  type ModelInferRequest,
  type ModelInferResponse,
} from 'failsoft/protos/oip';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { type InferCall, startInferServer } from './infer-server.js';
import { METHOD, metadata, request, response } from './support.js';

const closers = closedAfterEach();

type Strategy = FallbackStrategy<ModelInferRequest, ModelInferResponse>;
type Handle = Parameters<typeof startInferServer>[0];

/** A server that says who asked what, or is down, and a guarded client of it. */
async function setUp(strategies: (small: GRPCInferenceServiceClient) => Strategy[]) {
  const primary = { down: false };
  const echo: Handle = (call, done) =>
    primary.down ? done({ code: status.UNAVAILABLE, details: 'down' }) : done(null, echoOf('large', call));
  const { port, stop } = await startInferServer(echo);
  const small = await startInferServer((call, done) => done(null, echoOf('small', call)));
  const guard = createGuard({ fallbacks: registryOf(strategies(small.client)) });
  const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    interceptors: [guard.interceptor],
  });
  closers.push(stop, small.stop, () => client.close());
  /** Calls, then does something in the same turn, as a caller does that uses its objects again. */
  const infer = (asked: ModelInferRequest, by: Metadata, then: () => void = () => {}) =>
    new Promise<string>((resolve) => {
      client.modelInfer(asked, by, (error: ServiceError | null, answer: ModelInferResponse) =>
        resolve(error === null ? answer.id : `error: ${error.details}`),
      );
      then();
    });
  return { primary, guard, infer };
}

const registryOf = (strategies: Strategy[]) => new FallbackRegistry().register(METHOD, strategies);

function echoOf(model: string, { request: asked, metadata: by }: InferCall): ModelInferResponse {
  const input = asked.rawInputContents[0]?.[0] ?? '-';
  return response({ id: `${model}: ${asked.id}/${input} for ${by.get('authorization')[0]}` });
}

const of = (id: string, input = 0) => request({ id, rawInputContents: [Buffer.from([input])] });
const by = (who: string) => metadata({ authorization: who });

/** A request and metadata, and a caller that writes the next call into them as soon as it has made one. */
function reused() {
  const asked = of('1', 1);
  const who = by('alice');
  return {
    asked,
    who,
    next: () => {
      asked.id = '2';
      asked.rawInputContents[0]?.fill(2);
      who.set('authorization', 'bob');
    },
  };
}

describe('a caller that uses its request and metadata again at once', () => {
  it('has its answer kept under its own request and metadata', async () => {
    const { primary, infer } = await setUp(() => [lastGood()]);
    const { asked, who, next } = reused();
    expect(await infer(asked, who, next)).toBe('large: 1/1 for alice');
    primary.down = true;
    expect(await infer(of('2', 2), by('bob'))).toBe('error: down');
    expect(await infer(of('1', 1), by('bob'))).toBe('error: down');
    expect(await infer(of('1', 1), by('alice'))).toBe('large: 1/1 for alice');
  });

  it.each(['failed', 'rejected'])(
    'gets the kept answer to what it sent, when the call is %s',
    async (how) => {
      const { primary, guard, infer } = await setUp(() => [lastGood()]);
      await infer(of('1', 1), by('alice'));
      await infer(of('2', 2), by('bob'));
      primary.down = true;
      if (how === 'rejected') guard.circuit(METHOD, 'demand').isolate();
      const { asked, who, next } = reused();
      expect(await infer(asked, who, next)).toBe('large: 1/1 for alice');
    },
  );

  it.each(['failed', 'rejected'])(
    'has the secondary asked what it sent, when the call is %s',
    async (how) => {
      const { primary, guard, infer } = await setUp((small) => [
        secondaryModel(small, 'modelInfer', { name: 'small' }),
      ]);
      primary.down = true;
      if (how === 'rejected') guard.circuit(METHOD, 'demand').isolate();
      const { asked, who, next } = reused();
      expect(await infer(asked, who, next)).toBe('small: 1/1 for alice');
    },
  );

  it('has the default made for its own request', async () => {
    const { guard, infer } = await setUp(() => [
      defaultPrediction((asked: ModelInferRequest) => response({ id: `default for ${asked.id}` })),
    ]);
    guard.circuit(METHOD, 'demand').isolate();
    const { asked, who, next } = reused();
    expect(await infer(asked, who, next)).toBe('default for 1');
  });
});

it('a strategy that changes its request changes neither the caller’s nor the next strategy’s', async () => {
  const { guard, infer } = await setUp((small) => [
    lastGood({ normalize: (asked: ModelInferRequest) => Object.assign(asked, { id: '' }) }),
    secondaryModel(small, 'modelInfer', { name: 'small' }),
  ]);
  guard.circuit(METHOD, 'demand').isolate();
  const asked = of('1', 1);
  expect(await infer(asked, by('alice'))).toBe('small: 1/1 for alice');
  expect(asked.id).toBe('1');
});

it.each([
  ['behind the guard, to the metadata that it is given', false],
  ['before the guard, to a copy', true],
])('an interceptor may add who calls %s: nobody else gets the answer', async (_, before) => {
  const { port, stop } = await startInferServer((call, done) => done(null, echoOf('large', call)));
  const guard = createGuard({ fallbacks: registryOf([lastGood()]) });
  let token = 'alice';
  const authorizes: Interceptor = (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (given, listener, next) => {
        const sent = before ? given.clone() : given;
        sent.set('authorization', token);
        next(sent, listener);
      },
    });
  const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    interceptors: before ? [authorizes, guard.interceptor] : [guard.interceptor, authorizes],
  });
  closers.push(stop, () => client.close());
  const own = new Metadata();
  const infer = () =>
    new Promise<string>((resolve) =>
      client.modelInfer(of('1'), own, (error, answer) => resolve(error?.details ?? answer.id)),
    );
  expect(await infer()).toBe('large: 1/0 for alice');
  guard.circuit(METHOD, 'demand').isolate();
  if (before) expect(await infer()).toBe('large: 1/0 for alice');
  token = 'bob';
  expect(await infer()).toContain('isolated');
});
