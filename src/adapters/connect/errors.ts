import { ConnectError } from '@connectrpc/connect';
import type { StatusObject } from '@grpc/grpc-js';
import { markRejection } from '../../status/rejection.js';
import { encodeDetails, readDetails, writeDetails } from '../../status/status-details.js';
import { toGrpc, toHeaders } from './headers.js';

const TYPE_URL = 'type.googleapis.com/';

/** The status of a ConnectError, whose codes are gRPC's. The details of the error are in the trailers, as in gRPC. */
export function statusOf(error: unknown): Partial<StatusObject> | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const metadata = toGrpc(error.metadata);
  const code = Number(error.code);
  const details = error.details.flatMap((detail) =>
    'type' in detail ? [{ typeUrl: TYPE_URL + detail.type, value: Buffer.from(detail.value) }] : [],
  );
  if (details.length > 0) writeDetails(metadata, encodeDetails({ code, message: error.rawMessage, details }));
  return { code, details: error.rawMessage, metadata };
}

/** The ConnectError for a status that the guard gives. `findDetails()` and `circuitRejectionOf()` can read its details. */
export function errorOf({ code, details, metadata }: StatusObject): ConnectError {
  const error = new ConnectError(details, Number(code), toHeaders(metadata));
  const read = readDetails(metadata);
  if (typeof read === 'object')
    error.details = read.details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1),
      value,
    }));
  return markRejection(error, metadata);
}
