import { defaultPrediction, guardChannel, lastGood } from 'failsoft';
import { guardMiddleware, methodsOf } from 'failsoft/nice-grpc';
import { float32, inferRequest, inferResponse, tensor } from 'failsoft/oip';
import { GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { startMockServer } from 'failsoft/testing';
import { type Client, createChannel, createClient, createClientFactory } from 'nice-grpc';
import { MODEL_KEY, type StoryClient } from '../library.js';
import type { Adapter } from './adapter.js';

const { modelInfer } = GRPCInferenceServiceService;
/** With the flags as literals, as generators for nice-grpc write them. */
const definition = { modelInfer: { ...modelInfer, requestStream: false, responseStream: false } } as const;

const common = {
  packages: ['nice-grpc'],
  serve: async () => {
    const server = await startMockServer({
      models: { m: (request) => inferResponse(request, { y: tensor(request, 'x') }) },
    });
    return {
      address: server.address,
      setDown: (isDown) => {
        if (isDown) server.faults.set('m', { error: { code: 14 } });
        else server.faults.clear();
      },
      close: () => server.close(),
    };
  },
  circuitKey: () => MODEL_KEY,
  register: (fallbacks) => {
    fallbacks.register(methodsOf(definition).modelInfer, [
      lastGood(),
      defaultPrediction((asked) => inferResponse(asked, { y: float32([1], [-1]) })),
    ]);
  },
} satisfies Partial<Adapter>;

const request = (value: number) => inferRequest('m', { x: float32([1], [value]) });

export const niceChannel: Adapter = {
  ...common,
  name: 'nice-grpc, by its channel',
  attached:
    '`createClient(Definition, guardChannel(channel, guard, methodsOf(Definition)))` ([failsoft](adapters.md#a-channel-guardchannel))',
  source: 'header `failsoft-source`',
  connect: (address, guard): StoryClient => {
    const channel = guardChannel(createChannel(address), guard, methodsOf(definition));
    const client: Client<typeof definition> = createClient(definition, channel);
    return {
      ask: async (value) => {
        let source = 'primary';
        const response = await client.modelInfer(request(value), {
          onHeader: (header) => {
            source = header.get('failsoft-source') ?? source;
          },
        });
        return { answer: tensor(response, 'y', 'FP32').data[0] ?? NaN, source };
      },
      close: () => channel.close(),
    };
  },
};

export const niceMiddleware: Adapter = {
  ...common,
  name: 'nice-grpc, by a middleware',
  attached:
    '`createClientFactory().use(guardMiddleware(guard, { sendsAsGiven: true }))` ([failsoft/nice-grpc](adapters.md#nice-grpc-guardmiddleware))',
  source: '`failsoft: { onProvenance }`',
  connect: (address, guard) => {
    const channel = createChannel(address);
    const client = createClientFactory()
      .use(guardMiddleware(guard, { sendsAsGiven: true }))
      .create(definition, channel);
    return {
      ask: async (value) => {
        let source = '';
        const response = await client.modelInfer(request(value), {
          failsoft: {
            onProvenance: (provenance) => {
              source = provenance.source;
            },
          },
        });
        return { answer: tensor(response, 'y', 'FP32').data[0] ?? NaN, source };
      },
      close: () => channel.close(),
    };
  },
};
