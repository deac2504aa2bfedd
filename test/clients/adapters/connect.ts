import { createServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create, createFileRegistry } from '@bufbuild/protobuf';
import type { GenService } from '@bufbuild/protobuf/codegenv2';
import {
  DoubleValueSchema,
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { defaultPrediction, type Guard, lastGood } from 'failsoft';
import { connectMethod, guardInterceptor } from 'failsoft/connect';
import type { Adapter } from './adapter.js';

type Model = GenService<{
  predict: { methodKind: 'unary'; input: typeof DoubleValueSchema; output: typeof DoubleValueSchema };
}>;

/** A service as protoc-gen-es would generate it. */
function modelService(): Model {
  const type = '.google.protobuf.DoubleValue';
  const file = create(FileDescriptorProtoSchema, {
    name: 'model.proto',
    package: 'story',
    syntax: 'proto3',
    dependency: ['google/protobuf/wrappers.proto'],
    service: [{ name: 'Model', method: [{ name: 'Predict', inputType: type, outputType: type }] }],
  });
  const registry = createFileRegistry(file, () => file_google_protobuf_wrappers);
  return registry.getService('story.Model') as unknown as Model; // the types that a generator would write
}

const Model = modelService();

function adapter(name: string, maker: string, make: (baseUrl: string, guard: Guard) => Transport): Adapter {
  return {
    name: `connect-es, ${name}`,
    packages: ['@connectrpc/connect', '@connectrpc/connect-node'],
    attached: `\`${maker}({ baseUrl, interceptors: [guardInterceptor(guard, { sendsAsGiven: true })] })\` ([failsoft/connect](adapters.md#connect-guardinterceptor))`,
    source: 'header `failsoft-source`',
    circuitKey: () => '/story.Model/Predict',
    register: (fallbacks) => {
      const answer = create(DoubleValueSchema, { value: -1 });
      fallbacks.register(connectMethod(Model.method.predict), [lastGood(), defaultPrediction(answer)]);
    },
    serve: async () => {
      let down = false;
      const handler = connectNodeAdapter({
        routes: (router) =>
          router.service(Model, {
            predict: ({ value }) => {
              if (down) throw new ConnectError('down', Code.Unavailable);
              return create(DoubleValueSchema, { value });
            },
          }),
      });
      const server = createServer(handler);
      const sessions = new Set<ServerHttp2Session>();
      server.on('session', (session) => sessions.add(session));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return {
        address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        setDown: (isDown) => {
          down = isDown;
        },
        close: () => {
          for (const session of sessions) session.destroy();
          server.close();
        },
      };
    },
    connect: (address, guard) => {
      const client = createClient(Model, make(address, guard));
      return {
        ask: async (value) => {
          let source = 'primary';
          const response = await client.predict(
            { value },
            {
              onHeader: (header) => {
                source = header.get('failsoft-source') ?? source;
              },
            },
          );
          return { answer: response.value, source };
        },
        close: () => {},
      };
    },
  };
}

const httpVersion = '2';

export const connectAdapters: readonly Adapter[] = [
  adapter('Connect', 'createConnectTransport', (baseUrl, guard) =>
    createConnectTransport({
      baseUrl,
      httpVersion,
      interceptors: [guardInterceptor(guard, { sendsAsGiven: true })],
    }),
  ),
  adapter('gRPC', 'createGrpcTransport', (baseUrl, guard) =>
    createGrpcTransport({ baseUrl, interceptors: [guardInterceptor(guard, { sendsAsGiven: true })] }),
  ),
  adapter('gRPC-Web', 'createGrpcWebTransport', (baseUrl, guard) =>
    createGrpcWebTransport({
      baseUrl,
      httpVersion,
      interceptors: [guardInterceptor(guard, { sendsAsGiven: true })],
    }),
  ),
];
