import {
  credentials,
  InterceptingCall,
  type Interceptor,
  Metadata,
  Server,
  ServerCredentials,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import {
  createGuard,
  type GuardOptions,
  grpcHealth,
  isFailsoftError,
  modelReady,
  type ProbeEvent,
  type Readiness,
  type ReadinessCheck,
} from 'failsoft';
import { opossumEngine } from 'failsoft/opossum';
import { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { demandRequest, labelledInputs, startMockServer } from 'failsoft/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { functionCheck } from '../../src/recovery/check.js';

const { features } = labelledInputs(7).next().value;
const MODEL_INFER = '/inference.GRPCInferenceService/ModelInfer';

/** A server that answers any method with these bytes, or this status. */
async function serverOf(answers: Readonly<Record<string, Buffer | number>>) {
  const server = new Server();
  const asked: Buffer[] = [];
  for (const [path, answer] of Object.entries(answers)) {
    const [, service = '', method = ''] = path.split('/');
    const raw = (bytes: Buffer) => bytes;
    const definition = {
      [method]: {
        path: `/${service}/${method}`,
        ...{ requestStream: false, responseStream: false },
        ...{
          requestSerialize: raw,
          requestDeserialize: raw,
          responseSerialize: raw,
          responseDeserialize: raw,
        },
      },
    };
    const handlers: UntypedServiceImplementation = {
      [method]: (call: { request: Buffer }, callback: (error: object | null, value?: Buffer) => void) => {
        asked.push(call.request);
        if (typeof answer === 'number') callback({ code: answer, details: 'no' });
        else callback(null, answer);
      },
    };
    server.addService(definition, handlers);
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
  onTestFinished(() => {
    client.close();
    server.forceShutdown();
  });
  return { client, asked };
}

function ask(check: ReadinessCheck, method: string, keyPart: string): Promise<Readiness> | Readiness {
  const { signal } = new AbortController();
  return check.ask({
    circuitKey: `${method}#${keyPart}`,
    method,
    keyPart,
    deadlineMs: Date.now() + 2000,
    signal,
    changed: () => {},
  });
}

describe('grpcHealth()', () => {
  it.each<[string, Buffer | number, Readiness]>([
    ['SERVING', Buffer.from([8, 1]), 'ready'],
    ['NOT_SERVING', Buffer.from([8, 2]), 'not-ready'],
    ['UNKNOWN', Buffer.from([]), 'no-answer'],
    ['SERVICE_UNKNOWN', Buffer.from([8, 3]), 'no-answer'],
    ['NOT_FOUND', status.NOT_FOUND, 'no-answer'],
    ['UNIMPLEMENTED', status.UNIMPLEMENTED, 'unsupported'],
  ])('%s', async (_what, answer, readiness) => {
    const { client, asked } = await serverOf({ '/grpc.health.v1.Health/Check': answer });
    expect(await ask(grpcHealth(client, 'large'), MODEL_INFER, 'x')).toBe(readiness);
    expect(asked[0]).toEqual(Buffer.from([10, 5, ...Buffer.from('large')]));
  });

  it('names the parameter that is wrong', () => {
    expect(() => grpcHealth(JSON.parse('{}'))).toThrow('grpcHealth(client): expected a grpc-js client');
    expect(() => modelReady(JSON.parse('{}'))).toThrow('modelReady(client): expected a grpc-js client');
  });
});

describe('modelReady()', () => {
  const OIP = '/inference.GRPCInferenceService/ModelReady';
  const TF = '/tensorflow.serving.ModelService/GetModelStatus';
  const PING = '/org.pytorch.serve.grpc.inference.InferenceAPIsService/Ping';
  const PREDICT = '/tensorflow.serving.PredictionService/Predict';
  const PREDICTIONS = '/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions';
  const text = (json: string) => Buffer.from([10, json.length, ...Buffer.from(json)]);
  const name = Buffer.from([10, 5, ...Buffer.from('large')]);

  it.each<[string, string, string, Buffer, Readiness, Buffer]>([
    ['ModelReady', MODEL_INFER, OIP, Buffer.from([8, 1]), 'ready', name],
    ['ModelReady of a model that loads', MODEL_INFER, OIP, Buffer.from([]), 'not-ready', name],
    [
      'GetModelStatus: AVAILABLE',
      PREDICT,
      TF,
      Buffer.from([10, 4, 8, 1, 16, 30]),
      'ready',
      Buffer.from([10, 7, ...name]),
    ],
    [
      'GetModelStatus: LOADING',
      PREDICT,
      TF,
      Buffer.from([10, 4, 8, 1, 16, 20]),
      'not-ready',
      Buffer.from([10, 7, ...name]),
    ],
    ['Ping: healthy', PREDICTIONS, PING, text('{ "status": "Healthy" }'), 'ready', Buffer.from([])],
    ['Ping: unhealthy', PREDICTIONS, PING, text('{ "status": "Unhealthy" }'), 'not-ready', Buffer.from([])],
    [
      'Ping: partially',
      PREDICTIONS,
      PING,
      text('{ "status": "Partial Healthy" }'),
      'not-ready',
      Buffer.from([]),
    ],
  ])('%s', async (_what, method, path, answer, readiness, request) => {
    const { client, asked } = await serverOf({ [path]: answer });
    expect(await ask(modelReady(client), method, 'large')).toBe(readiness);
    expect(asked[0]).toEqual(request);
  });

  it('takes the name out of the key: escaped, or with a version', async () => {
    const { client, asked } = await serverOf({ [OIP]: Buffer.from([8, 1]) });
    await ask(modelReady(client), MODEL_INFER, 'a~7Eb@3');
    await ask(modelReady(client, { model: 'mine' }), MODEL_INFER, '');
    expect(asked.map((bytes) => bytes.subarray(2).toString())).toEqual(['a~b', 'mine']);
  });

  it('gives no answer without a model, and for other services', async () => {
    const { client } = await serverOf({});
    expect(await ask(modelReady(client), MODEL_INFER, '')).toBe('no-answer');
    expect(await ask(modelReady(client), '/my.Own/Service', 'large')).toBe('no-answer');
    expect(await ask(modelReady(client), '/constructor/Service', 'large')).toBe('no-answer');
  });
});

describe('recovery, on a real server', () => {
  async function setUp(options: GuardOptions) {
    const server = await startMockServer({ models: ['demand-large'] });
    const plain = new GRPCInferenceServiceClient(server.address, credentials.createInsecure());
    const guard = createGuard(options);
    const client = new GRPCInferenceServiceClient(
      server.address,
      credentials.createInsecure(),
      guard.clientOptions(),
    );
    const story: string[] = [];
    const probes: ProbeEvent[] = [];
    guard.on('transition', ({ from, to, reason }) => story.push(`${from} -> ${to}: ${reason}`));
    guard.on('probe', (event) => probes.push(event));
    onTestFinished(async () => {
      plain.close();
      client.close();
      await guard.close();
      await server.kill();
    });
    const call = () =>
      new Promise<number>((resolve) => {
        client.modelInfer(
          demandRequest('demand-large', features),
          new Metadata(),
          { deadline: Date.now() + 2000 },
          (error) => resolve(error?.code ?? 0),
        );
      });
    return { server, guard, call, story, probes };
  }
  const until = (is: () => boolean) => expect.poll(is, { interval: 5 }).toBe(true);
  const failing = {
    trip: [{ rule: 'consecutive-failures', failures: 2 }],
    open: { baseMs: 50, jitter: 'none' },
  } as const;

  it('a synthetic call is the probe, and no caller', async () => {
    const made: string[] = [];
    const { server, guard, call, story, probes } = await setUp({
      circuit: failing,
      recovery: {
        check: false,
        probeWith: ({ keyPart }: { keyPart: string }) => {
          made.push(keyPart);
          return demandRequest('demand-large', features);
        },
      },
    });
    server.faults.set('demand-large', { error: { code: status.UNAVAILABLE, share: 1 } });
    for (let n = 0; n < 2; n++) await call();
    await until(() => story.length >= 4);
    expect(await call()).toBe(status.UNAVAILABLE);
    server.faults.clear('demand-large');
    await until(() => story.at(-1) === 'half-open -> recovering: the probe succeeded');
    expect(await call()).toBe(0);
    expect(probes.every(({ kind }) => kind === 'synthetic')).toBe(true);
    expect(new Set(made)).toEqual(new Set(['demand-large']));
    expect(guard.probes().map(({ kind }) => kind)).toContain('synthetic');
  });

  it('a synthetic probe that waited for its connection is not slow', async () => {
    const server = await startMockServer({ models: ['demand-large'] });
    const plain = new GRPCInferenceServiceClient(server.address, credentials.createInsecure());
    const guard = createGuard({
      circuit: {
        trip: [
          { rule: 'consecutive-failures', failures: 2 },
          { rule: 'slow-rate', slowThresholdMs: 0.001, threshold: 1, minimumCalls: 100 },
        ],
        open: { baseMs: 50, jitter: 'none' },
      },
      recovery: { check: false, client: plain, probeWith: demandRequest('demand-large', features) },
    });
    const story: string[] = [];
    guard.on('transition', ({ from, to, reason }) => story.push(`${from} -> ${to}: ${reason}`));
    const options = guard.clientOptions();
    const client = new GRPCInferenceServiceClient(server.address, credentials.createInsecure(), options);
    onTestFinished(async () => {
      plain.close();
      client.close();
      await guard.close();
      await server.kill();
    });
    server.faults.set('demand-large', { error: { code: status.INTERNAL, share: 1 } });
    for (let n = 0; n < 2; n++)
      await new Promise<void>((resolve) =>
        client.modelInfer(demandRequest('demand-large', features), () => resolve()),
      );
    server.faults.clear('demand-large');
    await until(() => story.length >= 3);
    expect(story.at(-1)).toBe('half-open -> recovering: the probe succeeded');
  });

  it.each<[string, object]>([
    ['metadata that are {}', { code: status.UNAVAILABLE, details: 'odd', metadata: {} }],
    ['neither details nor metadata', { code: status.UNAVAILABLE }],
  ])('a synthetic probe that an interceptor ends with an odd status has failed: %s', async (_which, odd) => {
    const ending: Interceptor = (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (metadata, _listener, next) =>
          next(metadata, { onReceiveStatus: (_status, pass) => Reflect.apply(pass, undefined, [odd]) }),
      });
    const down = new GRPCInferenceServiceClient('127.0.0.1:1', credentials.createInsecure(), {
      interceptors: [ending],
    });
    onTestFinished(() => down.close());
    const { server, call, story, probes } = await setUp({
      circuit: failing,
      recovery: { check: false, client: down, probeWith: demandRequest('demand-large', features) },
    });
    server.faults.set('demand-large', { error: { code: status.UNAVAILABLE, share: 1 } });
    for (let n = 0; n < 2; n++) await call();
    await until(() => story.length >= 3);
    expect(story.slice(0, 3)).toEqual([
      expect.stringMatching(/^closed -> open: /),
      'open -> half-open: open time is over',
      'half-open -> open: the probe failed',
    ]);
    expect(probes[0]).toMatchObject({ kind: 'synthetic', outcome: 'failure' });
  });

  it("a parent's synthetic probe is judged as its server's: a broken model does not keep it open", async () => {
    const { server, guard, call, story } = await setUp({
      circuit: { ...failing, open: { baseMs: 600_000, jitter: 'none' } },
      parentCircuit: failing,
      recovery: { check: false, probeWith: demandRequest('demand-large', features) },
    });
    server.faults.set('demand-large', { error: { code: status.UNAVAILABLE, share: 1 } });
    for (let n = 0; n < 2; n++) await call();
    server.faults.set('demand-large', { error: { code: status.INTERNAL, share: 1 } });
    await until(() => story.includes('half-open -> recovering: the probe succeeded'));
    expect(guard.circuit(MODEL_INFER).state).not.toBe('open');
    expect(guard.circuit(MODEL_INFER, 'demand-large').state).toBe('open');
  });

  it("callers' calls are the probes if the synthetic call cannot be sent: the circuit is not stuck", async () => {
    const { server, guard, call, story } = await setUp({
      circuit: failing,
      recovery: { check: false, probeWith: { modelName: 5 } },
    });
    const warnings: string[] = [];
    guard.on('warning', ({ error }) => warnings.push(String(error)));
    server.faults.set('demand-large', { error: { code: status.UNAVAILABLE, share: 1 } });
    for (let n = 0; n < 2; n++) await call();
    server.faults.clear('demand-large');
    await until(() => warnings.length > 0);
    expect(warnings[0]).toMatch(
      /no evidence about the server \(.*serializ.*\); callers' calls are the probes/i,
    );
    expect(await call()).toBe(0);
    expect(story.at(-1)).toBe('half-open -> recovering: the probe succeeded');
  });

  it('throws an error that names the wrong option, or the engine that cannot do it', () => {
    const unsupported = () => createGuard({ engine: opossumEngine(), recovery: { intervalMs: 5 } });
    try {
      unsupported();
      expect.unreachable();
    } catch (error) {
      expect(isFailsoftError(error) && error.code).toBe('FAILSOFT_UNSUPPORTED');
      expect(String(error)).toContain('options.recovery.intervalMs: engine opossum does not support it');
    }
    expect(() => createGuard({ recovery: JSON.parse('{"chek":1}') })).toThrow('options.recovery.chek');
    expect(() => createGuard({ recovery: JSON.parse('{"check":1}') })).toThrow('options.recovery.check');
    expect(() => createGuard({ recovery: { intervalMs: 0 } })).toThrow('options.recovery.intervalMs');
    const check: ReadinessCheck = { name: 'mine', scope: 'server', ask: () => 'ready' };
    const bad: [object, string][] = [
      [{ name: 1 }, 'options.recovery.check.name'],
      [{ scope: 'guard' }, 'options.recovery.check.scope'],
      [{ intervalMs: Number.NaN }, 'options.recovery.check.intervalMs'],
    ];
    for (const [fields, field] of bad)
      expect(() => createGuard({ recovery: { check: Object.assign({ ...check }, fields) } })).toThrow(field);
    expect(() => createGuard({ recovery: JSON.parse('{"client":{}}') })).toThrow('options.recovery.client');
    expect(() => createGuard({ engine: opossumEngine(), recovery: false })).not.toThrow();
  });
});

describe('a check that is a function', () => {
  it.each<[unknown, Readiness]>([
    [true, 'ready'],
    [false, 'not-ready'],
    [undefined, 'no-answer'],
    ['not-ready', 'no-answer'],
    [null, 'no-answer'],
  ])('%j is %s, and is reported unless it is an answer', async (answer, readiness) => {
    const reported: string[] = [];
    const check = functionCheck(
      () => answer as boolean | undefined,
      (error) => reported.push(String(error)),
    );
    expect(await ask(check, MODEL_INFER, 'large')).toBe(readiness);
    const isOdd = answer === null || typeof answer === 'string';
    expect(reported).toHaveLength(isOdd ? 1 : 0);
    if (isOdd) expect(reported[0]).toContain('the answer: expected a boolean or undefined');
  });
});
