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
import { createGuard, FallbackRegistry, lastGood } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { canonical, digest, RequestKey } from '../../src/fallback/request-key.js';
import { closedAfterEach } from '../support/closers.js';
import { startInferServer } from './infer-server.js';
import { response } from './support.js';

// Decoders with `longs: Number` round; encoders take the text of any integer of 64 bits, and send it as it is.
const closers = closedAfterEach();
const isService = (definition: AnyDefinition): definition is ServiceDefinition => !('format' in definition);
const protos = fileURLToPath(new URL('../../protos', import.meta.url));
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

  it('is known again in another order where nothing was rounded', () => {
    const key = new RequestKey({}, 'key');
    key.bind(method);
    const keyOf = (request: object) =>
      digest(canonical(key.materialOf({ method: method.path, request, metadata: new Metadata() })));
    const a = { int64Param: '9007199254740991' };
    const b = { int64Param: '-5' };
    expect(keyOf({ parameters: { a, b } })).toBe(keyOf({ parameters: { b, a } }));
    expect(keyOf({ parameters: { a, b } })).not.toBe(keyOf({ parameters: { a: b, b: a } }));
  });
});
