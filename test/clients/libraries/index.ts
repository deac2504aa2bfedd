import type { Library } from '../library.js';
import { etcd3 } from './etcd3.js';
import { googleProtobuf } from './google-protobuf.js';
import { nest } from './nest.js';
import { protoLoader } from './proto-loader.js';
import { protobufTs } from './protobuf-ts.js';
import { perCall, transformer, tsProto } from './ts-proto.js';

/** In the order of the table. */
export const LIBRARIES: readonly Library[] = [
  tsProto,
  protoLoader,
  googleProtobuf,
  protobufTs,
  nest,
  etcd3,
  perCall,
  transformer,
];
