import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  credentials,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { callUnary, circuitRejectionOf, createGuard, perModel, presets } from 'failsoft';
import { KServeInferenceServiceClient, KServeInferenceServiceService } from 'failsoft/protos/kserve';
import {
  DataType,
  ModelServiceClient,
  ModelServiceService,
  ModelVersionStatus_State,
  PredictionServiceClient,
  PredictionServiceService,
  PredictRequest,
  PredictResponse,
  TensorProto,
} from 'failsoft/protos/tfserving';
import {
  InferenceAPIsServiceClient,
  InferenceAPIsServiceService,
  PredictionResponse,
  PredictionsRequest,
} from 'failsoft/protos/torchserve';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';

const closers = closedAfterEach();
const insecure = credentials.createInsecure();
const protos = fileURLToPath(new URL('../../protos', import.meta.url));

type Handlers = Parameters<Server['addService']>[1];

async function serve(...services: [Parameters<Server['addService']>[0], Handlers][]): Promise<string> {
  const server = new Server();
  for (const [definition, handlers] of services) server.addService(definition, handlers);
  closers.push(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return `127.0.0.1:${port}`;
}

const request = (name: string, values: number[]) =>
  PredictRequest.fromPartial({
    modelSpec: { name, version: 3n },
    inputs: new Map([
      [
        'x',
        TensorProto.fromPartial({
          dtype: DataType.DT_FLOAT,
          tensorShape: { dim: [{ size: 2n }] },
          floatVal: values,
        }),
      ],
    ]),
  });

describe('failsoft/protos/tfserving', () => {
  const predict = (
    call: ServerUnaryCall<PredictRequest, PredictResponse>,
    done: sendUnaryData<PredictResponse>,
  ) => {
    const { modelSpec, inputs } = call.request;
    if (modelSpec?.name === 'bad') return done({ code: status.UNAVAILABLE, details: 'down' });
    const sum = inputs.get('x')?.floatVal.reduce((total, value) => total + value, 0) ?? 0;
    const outputs = new Map([['y', TensorProto.fromPartial({ dtype: DataType.DT_FLOAT, floatVal: [sum] })]]);
    done(null, PredictResponse.fromPartial({ modelSpec, outputs }));
  };

  it('has a client for which a guard has a circuit per model', async () => {
    const address = await serve([PredictionServiceService, { predict }]);
    const guard = createGuard({ keyBy: perModel({ version: true }), classify: presets.tfServing });
    closers.push(() => guard.close());
    const client = new PredictionServiceClient(address, insecure, { interceptors: [guard.interceptor] });
    closers.push(() => client.close());
    const { response } = await callUnary(client, 'predict', request('good', [1.5, 2]));
    expect(response.outputs.get('y')?.floatVal).toEqual([3.5]);
    expect(response.modelSpec?.version).toBe(3n);
    for (let call = 0; call < 5; call++)
      await expect(callUnary(client, 'predict', request('bad', []))).rejects.toMatchObject({ code: 14 });
    const rejected = await callUnary(client, 'predict', request('bad', [])).catch((error: unknown) => error);
    expect(circuitRejectionOf(rejected)?.circuitKey).toBe(
      '/tensorflow.serving.PredictionService/Predict#bad@3',
    );
    expect((await callUnary(client, 'predict', request('good', [1]))).source).toBe('primary');
  });

  it('asks for the state of a model, with the bytes of the real server', async () => {
    // model_version_status { version: 3, state: AVAILABLE, status {} }
    const address = await serve([
      {
        getModelStatus: {
          ...ModelServiceService.getModelStatus,
          responseSerialize: (bytes: Buffer) => bytes,
        },
      },
      {
        getModelStatus: (_call: unknown, done: sendUnaryData<Buffer>) =>
          done(null, Buffer.from('0a060803101e1a00', 'hex')),
      },
    ]);
    const client = new ModelServiceClient(address, insecure);
    closers.push(() => client.close());
    const asked = {
      modelSpec: { name: 'm', version: undefined, versionLabel: undefined, signatureName: '' },
    };
    const { response } = await callUnary(client, 'getModelStatus', asked);
    expect(response.modelVersionStatus).toEqual([
      { version: 3n, state: ModelVersionStatus_State.AVAILABLE, status: { errorCode: 0, errorMessage: '' } },
    ]);
  });

  it('writes the field numbers of the protocol', () => {
    const bytes = Buffer.from(PredictRequest.encode(request('m', [1, 2])).finish()).toString('hex');
    // model_spec 1 { name 1 "m", version 2 { value 1: 3 } }, inputs 2 { key 1 "x", value 2 { dtype 1: 1,
    // tensor_shape 2 { dim 2 { size 1: 2 } }, float_val 5 packed } }
    const spec = '0a01 6d 1202 0803'.replaceAll(' ', '');
    const tensor = '0801 1204 1202 0802 2a08 0000803f 00000040'.replaceAll(' ', '');
    expect(bytes).toBe(`0a07${spec}1217${'0a0178'}1212${tensor}`);
  });
});

describe('failsoft/protos/torchserve', () => {
  it('has a client for which a guard has a circuit per model', async () => {
    const address = await serve([
      InferenceAPIsServiceService,
      {
        predictions: (
          call: ServerUnaryCall<PredictionsRequest, PredictionResponse>,
          done: sendUnaryData<PredictionResponse>,
        ) =>
          done(
            null,
            PredictionResponse.fromPartial({ prediction: call.request.input.get('data') ?? Buffer.of() }),
          ),
        ping: (_call: unknown, done: sendUnaryData<unknown>) =>
          done(null, { health: '{"status": "Healthy"}' }),
      },
    ]);
    const guard = createGuard({ keyBy: perModel(), classify: presets.torchServe });
    closers.push(() => guard.close());
    const client = new InferenceAPIsServiceClient(address, insecure, { interceptors: [guard.interceptor] });
    closers.push(() => client.close());
    const input = new Map([['data', Buffer.from('[1, 2]')]]);
    const asked = PredictionsRequest.fromPartial({ modelName: 'mnist', input });
    const { response } = await callUnary(client, 'predictions', asked);
    expect(response.prediction.toString()).toBe('[1, 2]');
    expect((await callUnary(client, 'ping', {})).response.health).toContain('Healthy');
    expect(guard.snapshots().map(({ circuitKey }) => circuitKey)).toEqual([
      '/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions#mnist',
    ]);
  });
});

describe('failsoft/protos/kserve', () => {
  it("loads and unloads with KServe's own messages, under the paths of the protocol", async () => {
    const received: string[] = [];
    const { repositoryModelLoad } = KServeInferenceServiceService;
    const address = await serve([
      { repositoryModelLoad: { ...repositoryModelLoad, requestDeserialize: (bytes: Buffer) => bytes } },
      {
        repositoryModelLoad: (call: ServerUnaryCall<Buffer, unknown>, done: sendUnaryData<unknown>) => {
          received.push(call.request.toString('hex'));
          done(null, { modelName: 'iris', isLoaded: true });
        },
      },
    ]);
    const client = new KServeInferenceServiceClient(address, insecure);
    closers.push(() => client.close());
    const { response } = await callUnary(client, 'repositoryModelLoad', { modelName: 'iris' });
    expect(response).toEqual({ modelName: 'iris', isLoaded: true });
    expect(received).toEqual(['0a0469726973']); // model_name = 1
    expect(Object.values(KServeInferenceServiceService).map(({ path }) => path.split('/')[2])).toEqual(
      'ServerLive ServerReady ModelReady ServerMetadata ModelMetadata ModelInfer RepositoryModelLoad RepositoryModelUnload'.split(
        ' ',
      ),
    );
  });
});

describe('the .proto files', () => {
  it.each([
    ['inference/grpc_service.proto', 'inference.GRPCInferenceService'],
    ['tensorflow_serving/apis/prediction_service.proto', 'tensorflow.serving.PredictionService'],
    ['tensorflow_serving/apis/model_service.proto', 'tensorflow.serving.ModelService'],
    [
      'org/pytorch/serve/grpc/inference/inference.proto',
      'org.pytorch.serve.grpc.inference.InferenceAPIsService',
    ],
  ])('%s is what proto-loader makes a client of', (file, service) => {
    const definition = loadSync(join(protos, file), { includeDirs: [protos] });
    expect(Object.keys(definition)).toContain(service);
    expect(loadPackageDefinition(definition)).toBeDefined();
  });
});
