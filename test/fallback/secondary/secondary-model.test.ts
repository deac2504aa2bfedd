import {
  credentials,
  InterceptingCall,
  type InterceptingListener,
  type Interceptor,
  Metadata,
  status,
} from '@grpc/grpc-js';
import { createGuard, defaultPrediction, FallbackRegistry } from 'failsoft';
import { GRPCInferenceServiceClient, type ModelInferRequest } from 'failsoft/protos/oip';
import { ManualClock } from 'failsoft/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { secondaryModel } from '../../../src/fallback/secondary/secondary-model.js';
import { type InferCall, startInferServer } from '../infer-server.js';
import { chainOf, deferredPromise, FakeCall, METHOD, metadata, request, response } from '../support.js';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

async function start(handle: Parameters<typeof startInferServer>[0]) {
  const started = await startInferServer(handle);
  stops.push(started.stop);
  return started;
}

const echoes: Parameters<typeof startInferServer>[0] = (call, done) =>
  done(null, response({ modelName: call.request.modelName, id: call.request.id }));

describe('secondaryModel', () => {
  it('answers with the other model, labelled', async () => {
    const { client } = await start(echoes);
    const chain = chainOf([secondaryModel(client, 'modelInfer', { name: 'small' })]);
    const { answer } = await chain.run(new FakeCall({ request: request({ id: '1' }) }));
    expect(answer).toMatchObject({ source: 'secondary:small', message: { id: '1', modelName: 'demand' } });
  });

  it('takes no fallback of its own guard, which would be passed off as its answer, and kept', async () => {
    const { port } = await start((_call, done) => done({ code: status.UNAVAILABLE, details: 'down' }));
    const kept: string[] = [];
    const fallbacks = new FallbackRegistry();
    const guard = createGuard({ fallbacks });
    const small = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
      interceptors: [guard.forTarget('small')],
    });
    stops.push(() => small.close());
    const strategy = secondaryModel(small, 'modelInfer', { name: 'small' });
    fallbacks.register(METHOD, [
      { name: 'keeper', answer: () => undefined, keep: ({ circuitKey }) => void kept.push(circuitKey) },
      strategy,
      defaultPrediction(response({ id: 'default' })),
    ]);
    const chain = fallbacks.chainFor(METHOD.path);
    expect((await chain?.run(new FakeCall()))?.answer).toMatchObject({ source: 'default' });
    expect(strategy.circuit?.snapshot().totals.admitted).toBe(1);
    expect(kept).toEqual([]);
  });

  it('does not offer its answers as good answers of the primary', async () => {
    const { port } = await start(echoes);
    const kept: string[] = [];
    const fallbacks = new FallbackRegistry();
    const guard = createGuard({ fallbacks });
    const small = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
      interceptors: [guard.interceptor],
    });
    stops.push(() => small.close());
    fallbacks.register(METHOD, [
      { name: 'keeper', answer: () => undefined, keep: ({ circuitKey }) => void kept.push(circuitKey) },
      secondaryModel(small, 'modelInfer', { name: 'small' }),
    ]);
    const answered = await fallbacks.chainFor(METHOD.path)?.run(new FakeCall());
    expect(answered?.answer).toMatchObject({ source: 'secondary:small' });
    expect(guard.circuit(METHOD, 'demand').snapshot().totals.outcomes.success).toBe(1);
    expect(kept).toEqual([]);
  });

  it('maps request and response', async () => {
    const { client } = await start(echoes);
    const strategy = secondaryModel(client, 'modelInfer', {
      name: 'small',
      request: (asked: ModelInferRequest) => ({ ...asked, modelName: 'demand-small' }),
      response: (given, asked) => ({ ...given, id: `${given.id} for ${asked.modelName}` }),
    });
    const { answer } = await chainOf([strategy]).run(new FakeCall({ request: request({ id: '1' }) }));
    expect(answer?.message).toMatchObject({ modelName: 'demand-small', id: '1 for demand' });
  });

  it('a mapping that throws or gives no message is a failed attempt, and counts nothing against the secondary', async () => {
    const { client } = await start(echoes);
    const throws = secondaryModel(client, 'modelInfer', {
      name: 'a',
      request: (): ModelInferRequest => {
        throw new Error('no such feature');
      },
    });
    const gives = secondaryModel(client, 'modelInfer', { name: 'b', response: () => JSON.parse('"text"') });
    const { answer, attempts } = await chainOf([throws, gives]).run(new FakeCall());
    expect(answer).toBeUndefined();
    expect(attempts.map((attempt) => [attempt.strategy, attempt.result])).toEqual([
      ['secondary:a', 'failed'],
      ['secondary:b', 'failed'],
    ]);
    expect(throws.circuit?.snapshot().totals.admitted).toBe(0);
    expect(gives.circuit?.snapshot().totals.outcomes).toMatchObject({ success: 1, failure: 0 });
  });

  it('a mapping to a message that cannot be sent is a failed attempt, and no evidence against the secondary', async () => {
    const { client } = await start(echoes);
    const strategy = secondaryModel(client, 'modelInfer', {
      name: 'small',
      request: () => Object.assign(request(), { parameters: JSON.parse('7') }),
    });
    const { attempts } = await chainOf([strategy]).run(new FakeCall());
    expect(attempts).toMatchObject([{ strategy: 'secondary:small', result: 'failed' }]);
    expect(strategy.circuit?.snapshot().totals.outcomes).toMatchObject({ failure: 0, ignored: 1 });
    expect(strategy.inFlight).toBe(0);
  });

  it('takes the answer of an interceptor that gives it in the turn of the call', async () => {
    const { port } = await start(echoes);
    const cached: Interceptor = () => {
      let listener: Partial<InterceptingListener> = {};
      return new InterceptingCall(Object.create(null), {
        start: (_metadata, given) => {
          listener = given;
        },
        sendMessage: () => undefined,
        halfClose: () => {
          listener.onReceiveMetadata?.(new Metadata());
          listener.onReceiveMessage?.(response({ id: 'cached' }));
          listener.onReceiveStatus?.({ code: status.OK, details: '', metadata: new Metadata() });
        },
      });
    };
    const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
      interceptors: [cached],
    });
    stops.push(() => client.close());
    const strategy = secondaryModel(client, 'modelInfer', { name: 'small' });
    const { answer } = await chainOf([strategy]).run(new FakeCall());
    expect(answer).toMatchObject({ source: 'secondary:small', message: { id: 'cached' } });
    expect(strategy.inFlight).toBe(0);
  });

  it('gives an answer of the method, also where the secondary is another method', async () => {
    const { client } = await start(echoes);
    // The same messages, with a decoder of their own that knows a field more.
    const richer = {
      ...METHOD,
      responseDeserialize: (bytes: Buffer) => ({ ...METHOD.responseDeserialize(bytes), extra: 1 }),
    };
    Object.defineProperty(client, 'modelInfer', { value: Object.assign(() => undefined, richer) });
    const strategy = secondaryModel(client, 'modelInfer', { name: 'small' });
    const { answer } = await chainOf([strategy]).run(new FakeCall());
    expect(answer?.message).toEqual(response({ modelName: 'demand' }));
    expect(strategy.decoded).toBe(false);
  });

  it('passes the deadline and the metadata on, without our own entries, and changes nothing of the caller’s', async () => {
    const seen = deferredPromise<InferCall>();
    const { client } = await start((call, done) => {
      seen.resolve(call);
      echoes(call, done);
    });
    const sent = metadata({
      authorization: 'Bearer t',
      'failsoft-source': 'default',
      'x-bin': Buffer.from([1]),
    });
    const before = sent.toJSON();
    const strategy = secondaryModel(client, 'modelInfer', { name: 'small' });
    await chainOf([strategy]).run(
      new FakeCall({ metadata: sent, leftMs: 60_000, clock: new ManualClock(Date.now()) }),
    );
    const call = await seen.promise;
    expect(call.metadata.get('authorization')).toEqual(['Bearer t']);
    expect(call.metadata.get('x-bin')).toEqual([Buffer.from([1])]);
    expect(call.metadata.get('failsoft-source')).toEqual([]);
    expect(Number(call.getDeadline())).toBeLessThanOrEqual(Date.now() + 60_000);
    expect(sent.toJSON()).toEqual(before);
  });

  it('can replace the caller’s metadata', async () => {
    const seen = deferredPromise<Metadata>();
    const { client } = await start((call, done) => {
      seen.resolve(call.metadata);
      echoes(call, done);
    });
    const strategy = secondaryModel(client, 'modelInfer', { name: 'small', metadata: () => new Metadata() });
    await chainOf([strategy]).run(new FakeCall({ metadata: metadata({ authorization: 'secret' }) }));
    expect((await seen.promise).get('authorization')).toEqual([]);
  });

  it.each([
    ['cancelled', 'ignored'],
    ['deadline', 'failure'],
  ] as const)('%s reaches the server, and counts as %s', async (cause, outcome) => {
    const arrived = deferredPromise<InferCall>();
    const left = deferredPromise<void>();
    const { client } = await start((call) => {
      call.on('cancelled', () => left.resolve());
      arrived.resolve(call);
    });
    const strategy = secondaryModel(client, 'modelInfer', { name: 'small' });
    const call = new FakeCall();
    const told = chainOf([strategy]).run(call);
    await arrived.promise;
    expect(strategy.inFlight).toBe(1);
    call.abort(cause);
    await left.promise;
    expect((await told).answer).toBeUndefined();
    await expect.poll(() => strategy.inFlight).toBe(0);
    expect(strategy.circuit?.snapshot().totals.outcomes[outcome]).toBe(1);
  });

  it('has a circuit of its own, which rejects calls while the secondary is down', async () => {
    let calls = 0;
    const { client } = await start((_, done) => {
      calls++;
      done({ code: status.UNAVAILABLE, details: 'down too' });
    });
    const transitions: string[] = [];
    const strategy = secondaryModel(client, 'modelInfer', {
      name: 'small',
      circuit: { trip: [{ rule: 'consecutive-failures', failures: 3 }] },
      onTransition: (event) => transitions.push(`${event.circuitKey}: ${event.from} to ${event.to}`),
    });
    const chain = chainOf([strategy]);
    const errors: string[] = [];
    for (let i = 0; i < 5; i++) {
      const { attempts } = await chain.run(new FakeCall());
      errors.push(String(attempts[0]?.error));
    }
    expect(calls).toBe(3);
    expect(errors.slice(2)).toEqual([
      expect.stringContaining('UNAVAILABLE: down too'),
      expect.stringContaining('secondary:small: CIRCUIT_OPEN'),
      expect.stringContaining('secondary:small: CIRCUIT_OPEN'),
    ]);
    expect(transitions).toEqual(['secondary:small: closed to open']);
  });

  it('counts a caller’s error as a healthy answer of the secondary', async () => {
    const { client } = await start((_, done) => done({ code: status.INVALID_ARGUMENT, details: 'shape' }));
    const strategy = secondaryModel(client, 'modelInfer', { name: 'small' });
    await chainOf([strategy]).run(new FakeCall());
    expect(strategy.circuit?.snapshot().totals.outcomes).toMatchObject({ 'caller-error': 1, failure: 0 });
  });

  it('takes only so many calls at a time', async () => {
    const waiting: (() => void)[] = [];
    const { client } = await start((call, done) => void waiting.push(() => echoes(call, done)));
    const strategy = secondaryModel(client, 'modelInfer', {
      name: 'small',
      maxConcurrent: 2,
      circuit: false,
    });
    const chain = chainOf([strategy]);
    const first = [chain.run(new FakeCall()), chain.run(new FakeCall())];
    const third = await chain.run(new FakeCall());
    expect(String(third.attempts[0]?.error)).toContain('CONCURRENCY_LIMIT of 2');
    await expect.poll(() => waiting.length).toBe(2);
    for (const go of waiting) go();
    expect((await Promise.all(first)).map((outcome) => outcome.answer?.source)).toEqual([
      'secondary:small',
      'secondary:small',
    ]);
    expect(strategy.inFlight).toBe(0);
  });

  it('a closed client is a failed attempt that leaves nothing in flight', async () => {
    const client = new GRPCInferenceServiceClient('127.0.0.1:1', credentials.createInsecure());
    client.close();
    const strategy = secondaryModel(client, 'modelInfer', { name: 'small' });
    const { attempts } = await chainOf([strategy]).run(new FakeCall());
    expect(attempts).toMatchObject([{ strategy: 'secondary:small', result: 'failed' }]);
    expect(strategy.inFlight).toBe(0);
  });
});
