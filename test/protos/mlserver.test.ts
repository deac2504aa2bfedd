import { credentials, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { createGuard, perModel, presets } from 'failsoft';
import {
  GRPCInferenceServiceService,
  MLServerInferenceServiceClient,
  MLServerInferenceServiceService,
  ModelInferRequest,
  type ModelInferResponse,
} from 'failsoft/protos/oip';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';

const closers = closedAfterEach();

/** Two items of one stream of MLServer 1.7, as they came over the wire: a model "gen" that gives the strings "a" and "b". */
const ITEMS = [
  '0a0367656e2a2a0a016f120542595445531a02010122150a0c636f6e74656e745f7479706512051a037374722a03420161',
  '0a0367656e2a2a0a016f120542595445531a02010122150a0c636f6e74656e745f7479706512051a037374722a03420162',
].map((hex) => Buffer.from(hex, 'hex'));

const raw = {
  modelStreamInfer: {
    ...GRPCInferenceServiceService.modelStreamInfer,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
  },
};

async function startStreamingServer(received: Buffer[]): Promise<string> {
  const server = new Server();
  server.addService(raw, {
    modelStreamInfer: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (bytes: Buffer) => received.push(bytes));
      call.on('end', () => {
        for (const item of ITEMS) call.write(item);
        call.end();
      });
    },
  });
  closers.push(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return `127.0.0.1:${port}`;
}

describe('a stream of MLServer', () => {
  it('is read as plain answers, through a guard with its preset', async () => {
    const received: Buffer[] = [];
    const address = await startStreamingServer(received);
    const guard = createGuard({ keyBy: perModel(), classify: presets.mlserver });
    const client = new MLServerInferenceServiceClient(address, credentials.createInsecure(), {
      interceptors: [guard.interceptor],
    });
    closers.push(() => client.close());
    const request = ModelInferRequest.fromPartial({ modelName: 'gen', id: '1' });
    const answers = await new Promise<ModelInferResponse[]>((resolve, reject) => {
      const call = client.modelStreamInfer({ deadline: Date.now() + 20_000 });
      const read: ModelInferResponse[] = [];
      call.on('data', (answer: ModelInferResponse) => read.push(answer));
      call.on('error', reject);
      call.on('end', () => resolve(read));
      call.end(request);
    });
    expect(answers.map(({ modelName, outputs }) => [modelName, outputs[0]?.name])).toEqual([
      ['gen', 'o'],
      ['gen', 'o'],
    ]);
    const texts = answers.map(({ outputs }) => outputs[0]?.contents?.bytesContents.map(String));
    expect(texts).toEqual([['a'], ['b']]);
    expect(received.map((bytes) => ModelInferRequest.decode(bytes))).toEqual([request]);
    expect(guard.snapshots().map(({ circuitKey: key, totals }) => [key, totals.outcomes.success])).toEqual([
      ['/inference.GRPCInferenceService/ModelStreamInfer#gen', 1],
    ]);
  });

  it("is made of errors by Triton's definition of the same path", () => {
    const { responseDeserialize } = GRPCInferenceServiceService.modelStreamInfer;
    expect(ITEMS.map((item) => responseDeserialize(item).errorMessage)).toEqual(['gen', 'gen']);
  });

  it('is encoded as it came', () => {
    const { path, responseDeserialize, responseSerialize } = MLServerInferenceServiceService.modelStreamInfer;
    expect(path).toBe(GRPCInferenceServiceService.modelStreamInfer.path);
    for (const item of ITEMS) expect(responseSerialize(responseDeserialize(item))).toEqual(item);
  });
});

it('every other method of MLServer is that of the protocol', () => {
  const { modelStreamInfer: _ours, ...ours } = MLServerInferenceServiceService;
  const { modelStreamInfer: _theirs, ...theirs } = GRPCInferenceServiceService;
  expect(ours).toEqual(theirs);
});
