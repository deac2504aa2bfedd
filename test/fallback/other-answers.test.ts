import { credentials, type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import {
  answerWith,
  coalesce,
  createGuard,
  defaultPrediction,
  type FailsoftCallOptions,
  FallbackRegistry,
  lastGood,
  perKey,
} from 'failsoft';
import {
  GRPCInferenceServiceClient,
  type ModelInferRequest,
  type ModelInferResponse,
} from 'failsoft/protos/oip';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { startInferServer } from './infer-server.js';
import { METHOD, metadata, request, response } from './support.js';

const closers = closedAfterEach();

/** Answers for the model that the metadata names, as Ray Serve does, and for the host; or is down. */
async function setUp(fallbacks: FallbackRegistry) {
  const primary = { down: false };
  const { port, stop } = await startInferServer((call, done) => {
    if (primary.down) return done({ code: status.UNAVAILABLE, details: 'down' });
    done(null, response({ id: `${call.metadata.get('application')[0] ?? 'no model'} at ${call.getHost()}` }));
  });
  const keyBy = perKey(({ metadata: sent }) => sent.get('application')[0]?.toString());
  const guard = createGuard({ fallbacks, keyBy });
  const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    interceptors: [guard.interceptor],
  });
  closers.push(stop, () => client.close());
  const infer = (by: Metadata, options: { host?: string; failsoft?: FailsoftCallOptions } = {}) =>
    new Promise<string>((resolve) => {
      client.modelInfer(request(), by, options, (error: ServiceError | null, answer: ModelInferResponse) =>
        resolve(error === null ? answer.id : 'an error'),
      );
    });
  return { primary, infer };
}

const model = (name: string) => metadata({ application: name });

describe('an answer that was kept for one model', () => {
  const keeping = () =>
    new FallbackRegistry().register(METHOD, [lastGood(), defaultPrediction(response({ id: 'default' }))]);

  it('is not given for another that the metadata names', async () => {
    const { infer, primary } = await setUp(keeping());
    const fraud = await infer(model('fraud'));
    expect(fraud).toMatch(/^fraud at /);
    primary.down = true;
    expect(await infer(model('churn'))).toBe('default');
    expect(await infer(model('fraud'))).toBe(fraud);
  });

  it("is not given for another that a call's key names", async () => {
    const { infer, primary } = await setUp(keeping());
    const none = metadata({});
    const fraud = await infer(none, { failsoft: { key: 'fraud' } });
    primary.down = true;
    expect(await infer(none, { failsoft: { key: 'churn' } })).toBe('default');
    expect(await infer(none, { failsoft: { key: 'fraud' } })).toBe(fraud);
  });

  it('is not given for another host', async () => {
    const { infer, primary } = await setUp(keeping());
    const none = metadata({});
    expect(await infer(none, { host: 'tenant-a' })).toBe('no model at tenant-a');
    primary.down = true;
    expect(await infer(none, { host: 'tenant-b' })).toBe('default');
    expect(await infer(none)).toBe('default');
    expect(await infer(none, { host: 'tenant-a' })).toBe('no model at tenant-a');
  });
});

describe('a question that several callers share', () => {
  it('is not shared with another model or host', async () => {
    const asked: string[] = [];
    const secondary = answerWith<ModelInferRequest, ModelInferResponse>(
      'small',
      async ({ circuitKey, host }) => {
        asked.push(`${circuitKey} at ${host}`);
        await new Promise((resolve) => setImmediate(resolve));
        return response({ id: `${circuitKey.replace(/^.*#/, '')} at ${host}` });
      },
    );
    const { infer, primary } = await setUp(new FallbackRegistry().register(METHOD, [coalesce(secondary)]));
    primary.down = true;
    const answers = await Promise.all([
      infer(model('fraud'), { host: 'a' }),
      infer(model('fraud'), { host: 'a' }),
      infer(model('churn'), { host: 'a' }),
      infer(model('fraud'), { host: 'b' }),
    ]);
    expect(answers).toEqual(['fraud at a', 'fraud at a', 'churn at a', 'fraud at b']);
    expect(new Set(asked).size).toBe(3);
  });
});
