import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Client,
  credentials,
  Metadata,
  type MethodDefinition,
  makeClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { type AnyDefinition, loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import {
  createGuard,
  DeferredDrainer,
  type DeferredResult,
  deferred,
  FallbackRegistry,
  lastGood,
  secondaryModel,
} from 'failsoft';
import { openLevelQueue } from 'failsoft/queue-level';
import { describe, expect, it } from 'vitest';
import { RequestKey } from '../../../src/fallback/request-key/request-key.js';
import { closedAfterEach } from '../../support/closers.js';
import { startInferServer } from '../infer-server.js';
import { response } from '../support.js';

// Decoders with `longs: Number` round; encoders take the text of any integer of 64 bits, and send it as it is.
const closers = closedAfterEach();
const isService = (definition: AnyDefinition): definition is ServiceDefinition => !('format' in definition);
const protos = fileURLToPath(new URL('../../../protos', import.meta.url));
const loaded = loadSync('inference/grpc_service.proto', { includeDirs: [protos], longs: Number });
const service = loaded['inference.GRPCInferenceService'];
if (!service || !isService(service)) throw new Error('no GRPCInferenceService');
const found = service.ModelInfer;
if (!found) throw new Error('no ModelInfer');
const method: MethodDefinition<object, object> = found;
const Clients = makeClientConstructor(service, 'GRPCInferenceService');

const ofUser = (user: string) => ({ modelName: 'm', parameters: { user: { int64Param: user } } });

function infer(client: Client, request: object): Promise<string> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      (error: ServiceError | null, answer?: object) =>
        resolve(error === null ? String(Reflect.get(answer ?? {}, 'id')) : `error ${status[error.code]}`),
    );
  });
}

describe('a request whose decoder rounds its integers', () => {
  it.each([
    ['as it is', {}],
    ['normalized', { normalize: (asked: object) => ({ ...asked, id: '' }) }],
  ])('%s gets no answer that was given to another', async (_, options) => {
    const primary = { down: false };
    const { port, stop } = await startInferServer((call, done) =>
      primary.down
        ? done({ code: status.UNAVAILABLE, details: 'down' })
        : done(null, response({ id: `for ${call.request.parameters.get('user')?.int64Param}` })),
    );
    const fallbacks = new FallbackRegistry().register(method, [lastGood<object, object>(options)]);
    const interceptors = [createGuard({ fallbacks }).interceptor];
    const client = new Clients(`127.0.0.1:${port}`, credentials.createInsecure(), { interceptors });
    closers.push(stop, () => client.close());
    expect(await infer(client, ofUser('9007199254740993'))).toBe('for 9007199254740993');
    primary.down = true;
    expect(await infer(client, ofUser('9007199254740992'))).toBe('error UNAVAILABLE');
    expect(await infer(client, ofUser('9007199254740993'))).toBe('for 9007199254740993');
  });

  it('is sent to a secondary as it was sent to the primary', async () => {
    const down = await startInferServer((_, done) => done({ code: status.UNAVAILABLE, details: 'down' }));
    const small = await startInferServer((call, done) =>
      done(null, response({ id: `small for ${call.request.parameters.get('user')?.int64Param}` })),
    );
    const smallClient = new Clients(`127.0.0.1:${small.port}`, credentials.createInsecure());
    const secondary = secondaryModel(smallClient, 'modelInfer', { name: 'small' });
    const fallbacks = new FallbackRegistry().register(method, [secondary]);
    const interceptors = [createGuard({ fallbacks }).interceptor];
    const client = new Clients(`127.0.0.1:${down.port}`, credentials.createInsecure(), { interceptors });
    closers.push(
      down.stop,
      small.stop,
      () => smallClient.close(),
      () => client.close(),
    );
    expect(await infer(client, ofUser('9007199254740993'))).toBe('small for 9007199254740993');
    expect(await infer(client, ofUser('7'))).toBe('small for 7');
  });

  it('is replayed as it was sent', async () => {
    const primary = { down: true };
    const { port, stop } = await startInferServer((call, done) =>
      primary.down
        ? done({ code: status.UNAVAILABLE, details: 'down' })
        : done(null, response({ id: `late for ${call.request.parameters.get('user')?.int64Param}` })),
    );
    const directory = mkdtempSync(join(tmpdir(), 'failsoft-rounded-'));
    const queue = await openLevelQueue(directory);
    const acknowledging = deferred<object, object>({ queue, acknowledge: () => ({ id: 'accepted' }) });
    const fallbacks = new FallbackRegistry().register(method, [acknowledging]);
    const interceptors = [createGuard({ fallbacks }).interceptor];
    const client = new Clients(`127.0.0.1:${port}`, credentials.createInsecure(), { interceptors });
    closers.push(
      () => rmSync(directory, { recursive: true, force: true }),
      stop,
      () => client.close(),
      () => queue.close(),
    );
    expect(await infer(client, ofUser('9007199254740993'))).toBe('accepted');
    primary.down = false;
    const result = await new Promise<DeferredResult>((resolve) => {
      const drainer = new DeferredDrainer({ queue, methods: [{ method, client }], onResult: resolve });
      closers.push(() => drainer.close());
    });
    expect(result.response).toMatchObject({ id: 'late for 9007199254740993' });
  });

  it('is known again in another order where nothing was rounded', () => {
    const key = new RequestKey({}, 'key');
    key.bind(method);
    const call = { method: method.path, circuitKey: method.path, metadata: new Metadata(), host: undefined };
    const keyOf = (request: object) => key.keyOf(key.materialOf({ ...call, request }), () => false);
    const a = { int64Param: '9007199254740991' };
    const b = { int64Param: '-5' };
    expect(keyOf({ parameters: { a, b } })).toBe(keyOf({ parameters: { b, a } }));
    expect(keyOf({ parameters: { a, b } })).not.toBe(keyOf({ parameters: { a: b, b: a } }));
  });
});
