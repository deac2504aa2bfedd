import { fileURLToPath } from 'node:url';
import { credentials, type GrpcObject, loadPackageDefinition, type MethodDefinition } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import {
  GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
  ModelInferResponse,
} from 'failsoft/protos/oip';
import { describe, expect, it } from 'vitest';
import { defaultPrediction } from '../../src/fallback/default-prediction.js';
import { noFallback } from '../../src/fallback/no-fallback.js';
import { FallbackRegistry } from '../../src/fallback/registry.js';
import { secondaryModel } from '../../src/fallback/secondary/secondary-model.js';
import { response } from './support.js';

const { modelInfer, modelReady, modelStreamInfer } = GRPCInferenceServiceService;
const client = new GRPCInferenceServiceClient('127.0.0.1:1', credentials.createInsecure());

/** `tsc` checks what is marked here; running it checks that it is not refused at run time for another reason. */
const registers = (register: (registry: FallbackRegistry) => FallbackRegistry) =>
  expect(register(new FallbackRegistry())).toBeInstanceOf(FallbackRegistry);

describe('a chain is typed by its method', () => {
  it('takes strategies of its types, and infers their parameters', () => {
    registers((registry) =>
      registry
        .register(modelInfer, [
          secondaryModel(client, 'modelInfer', { name: 'same' }),
          secondaryModel(client, 'modelInfer', {
            name: 'mapped',
            request: (request) => ({ ...request, modelName: `${request.modelName}-small` }),
            response: (answer, request) => ({ ...answer, id: request.id }),
          }),
          defaultPrediction(() => response()),
          defaultPrediction((request) => response({ id: request.id })),
          defaultPrediction(response()),
          noFallback(),
        ])
        .register(modelReady, [defaultPrediction({ ready: false })]),
    );
  });

  it('takes another method of a client with mappings between the types', () => {
    registers((registry) =>
      registry.register(modelReady, [
        secondaryModel(client, 'serverReady', {
          name: 'mapped',
          request: (request) => {
            expect(request.name).toBeDefined();
            return {};
          },
        }),
        secondaryModel(client, 'modelMetadata', {
          name: 'metadata',
          response: (metadata) => ({ ready: metadata.versions.length > 0 }),
        }),
      ]),
    );
  });

  it('refuses a response of another type, to compile', () => {
    const registry = new FallbackRegistry();
    // @ts-expect-error a default of another method's response
    expect(() => registry.register(modelInfer, [defaultPrediction({ ready: true })])).toThrow('encoded');
    registers((registry) =>
      // @ts-expect-error a function that makes another method's response
      registry.register(modelInfer, [defaultPrediction((_request) => ({ ready: true }))]),
    );
    registers((registry) =>
      // @ts-expect-error another method's answer, not mapped
      registry.register(modelInfer, [secondaryModel(client, 'modelReady', { name: 'x' })]),
    );
    registers((registry) =>
      registry.register(modelReady, [
        // @ts-expect-error mapped to another type
        secondaryModel(client, 'modelReady', { name: 'x', response: () => response() }),
      ]),
    );
    registers((registry) =>
      registry.register(modelReady, [
        // @ts-expect-error a request that the secondary does not take
        secondaryModel(client, 'modelReady', { name: 'x', request: () => ({ wrong: 1 }) }),
      ]),
    );
    // @ts-expect-error no method of the client
    expect(() => secondaryModel(client, 'modelInfr', { name: 'x' })).toThrow('the name of a method');
  });

  it('takes the definitions of proto-loader', () => {
    const protos = fileURLToPath(new URL('../../protos', import.meta.url));
    const definition: PackageDefinition = loadSync('inference/grpc_service.proto', { includeDirs: [protos] });
    const loaded: GrpcObject = loadPackageDefinition(definition);
    const inference = loaded.inference;
    if (typeof inference === 'function' || inference === undefined || !('GRPCInferenceService' in inference))
      throw new Error('the service is not in the protos');
    const Dynamic = inference.GRPCInferenceService;
    if (typeof Dynamic !== 'function') throw new Error('the service is no constructor');
    const dynamic = new Dynamic('127.0.0.1:1', credentials.createInsecure());
    const method: MethodDefinition<object, object> | undefined = Dynamic.service.ModelInfer;
    if (method === undefined) throw new Error('no method');
    registers((registry) =>
      registry.register(method, [
        secondaryModel(dynamic, 'ModelInfer', { name: 'original-name' }),
        secondaryModel(dynamic, 'modelInfer', {
          name: 'camel-case',
          request: (request) => ({ ...request, model_name: 'small' }),
        }),
        defaultPrediction({ model_name: 'default' }),
      ]),
    );
    dynamic.close();
  });

  it('refuses at registration the mistakes that types cannot show', () => {
    expect(() =>
      new FallbackRegistry().register(modelInfer, [
        secondaryModel(client, 'modelStreamInfer', {
          name: 'x',
          // @ts-expect-error a bidirectional method takes no request
          request: (request) => request,
          response: () => ModelInferResponse.fromPartial({}),
        }),
      ]),
    ).toThrow('not bidirectional');
    expect(modelStreamInfer.responseStream).toBe(true);
  });
});
