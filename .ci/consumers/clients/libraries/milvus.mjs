import { createRequire } from 'node:module';
import { Channel } from '@grpc/grpc-js';
import { defaultPrediction, guardChannel, lastGood, perKey } from 'failsoft';

const { getGRPCService, LOADER_OPTIONS, MilvusClient } = createRequire(import.meta.url)(
  '@zilliz/milvus2-sdk-node',
);
const SERVICE = 'milvus.proto.milvus.MilvusService';
const { service } = getGRPCService({ serviceName: SERVICE }, LOADER_OPTIONS);

const SUCCESS = { error_code: 'Success', code: 0, reason: '' };
const rows = (value) => ({ status: SUCCESS, stats: [{ key: 'row_count', value }] });

export const library = {
  // A Milvus whose partitions have as many rows as their names say.
  services: [
    [
      service,
      {
        Connect: (_call, done) => done(null, { status: SUCCESS, identifier: '1', server_info: {} }),
        GetPartitionStatistics: ({ request }, done) => done(null, rows(request.partition_name)),
      },
    ],
  ],
  faults: SERVICE,
  circuitKey: `/${SERVICE}/GetPartitionStatistics#films`,
  guardOptions: { keyBy: perKey(({ request }) => request.collection_name) },
  register: (fallbacks) => {
    fallbacks.register(service.GetPartitionStatistics, [lastGood(), defaultPrediction(rows('-1'))]);
  },
  connect: async (address, guard) => {
    const client = new MilvusClient({
      address,
      logLevel: 'error',
      channelOptions: {
        channelFactoryOverride: (...args) => guardChannel(new Channel(...args), guard, service),
      },
    });
    await client.connectPromise;
    return {
      ask: async (value) => {
        const { data } = await client.getPartitionStatistics({
          collection_name: 'films',
          partition_name: `${value}`,
        });
        return { answer: Number(data.row_count) };
      },
      close: () => client.closeConnection(),
    };
  },
};
