import { Metadata } from '@grpc/grpc-js';

/** What a peer gets of metadata: the same keys and bytes, in an object of its own. */
export function overTheWire(metadata: Metadata): Metadata {
  const headers: Record<string, string> = {};
  for (const [key, value] of Object.entries(metadata.toHttp2Headers())) headers[key] = String(value);
  return Metadata.fromHttp2Headers(headers);
}
