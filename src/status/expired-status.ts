import { Metadata, type StatusObject, status } from '@grpc/grpc-js';

/** The status of a call whose time was over: DEADLINE_EXCEEDED, with metadata of its own, which the caller may change. */
export function expiredStatus(details: string): StatusObject {
  return { code: status.DEADLINE_EXCEEDED, details, metadata: new Metadata() };
}
