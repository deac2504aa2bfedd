import { Metadata as GrpcMetadata } from '@grpc/grpc-js';
import { Metadata } from 'nice-grpc';

/** Makes metadata of nice-grpc into metadata of grpc-js. */
export function toGrpc(metadata: Metadata | undefined): GrpcMetadata {
  const grpc = new GrpcMetadata();
  for (const [key, values] of metadata ?? [])
    for (const value of values) grpc.add(key, typeof value === 'string' ? value : Buffer.from(value));
  return grpc;
}

/** Makes metadata of grpc-js into metadata of nice-grpc. */
export function toNice(grpc: GrpcMetadata): Metadata {
  const metadata = Metadata();
  for (const key of Object.keys(grpc.getMap()))
    for (const value of grpc.get(key)) {
      if (typeof value === 'string') metadata.append(key, value);
      else metadata.append(key, value);
    }
  return metadata;
}
