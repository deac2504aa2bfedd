import { createRequire } from 'node:module';
import { loadSync } from '@grpc/proto-loader';
import { Etcd3 } from 'etcd3';
import { defaultPrediction, lastGood, provenanceOf } from 'failsoft';
import type { MockService } from 'failsoft/testing';
import type { Library } from '../library.js';

// The file and the options with which etcd3 itself loads the service: a chain's messages have the shape of the client's.
const PROTO = createRequire(import.meta.url).resolve('etcd3/proto/rpc.proto');
const { 'etcdserverpb.KV': KV } = loadSync(PROTO, {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});
if (KV === undefined || 'format' in KV || KV.Range === undefined) throw new Error('no KV in the proto file');
const { Range } = KV;

const found = (key: Uint8Array, value: string) => ({
  kvs: [{ key, value: Buffer.from(value) }],
  count: '1',
});

/** An etcd whose value of each key is the key. */
export const etcdService: MockService = [
  KV,
  {
    Range: (call: { request: { key: Uint8Array } }, done: (error: null, answer: unknown) => void) =>
      done(null, found(call.request.key, Buffer.from(call.request.key).toString())),
  },
];

export const etcd3: Library = {
  name: 'etcd3',
  packages: ['etcd3'],
  attached: '`new Etcd3({ hosts, grpcOptions: { interceptors: [guard.interceptor] } })`',
  lines: 1,
  source: '`provenanceOf(message)`',
  faults: 'etcdserverpb.KV',
  circuitKey: '/etcdserverpb.KV/Range',
  register: (fallbacks) => {
    fallbacks.register(Range, [lastGood(), defaultPrediction(found(Buffer.from('?'), '-1'))]);
  },
  connect: (hosts, guard) => {
    const client = new Etcd3({ hosts, grpcOptions: { interceptors: [guard.interceptor] } });
    return {
      ask: async (value) => {
        const response = await client.get(`${value}`).exec();
        return { answer: Number(response.kvs[0]?.value.toString()), source: provenanceOf(response).source };
      },
      close: () => client.close(),
    };
  },
};
