import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { type Client, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Readiness, ReadinessQuestion } from './check.js';

/** A small unary call without generated code, which any client of the server can make. */
export interface UnaryQuestion {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly request: Uint8Array;
  /** Reads the response's bytes. */
  readonly read: (response: Uint8Array) => Readiness;
}

/** Makes the call past the guard, which must not count it, but through the client's other interceptors, which may add a token. */
export function askUnary(
  client: Client,
  { path, request, read }: UnaryQuestion,
  { deadlineMs, signal }: ReadinessQuestion,
): Promise<Readiness> {
  return new Promise((resolve, reject) => {
    const call = client.makeUnaryRequest(
      path,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer) => new Uint8Array(bytes),
      request,
      new Metadata(),
      { deadline: deadlineMs, failsoft: { bypass: true } },
      (error: ServiceError | null, response?: Uint8Array) => {
        if (error !== null) resolve(error.code === status.UNIMPLEMENTED ? 'unsupported' : 'no-answer');
        else {
          try {
            resolve(read(response ?? new Uint8Array()));
          } catch (problem) {
            reject(problem);
          }
        }
      },
    );
    signal.addEventListener('abort', () => call.cancel(), { once: true });
  });
}

/** Encodes a message of strings, by field number; empty strings are left out, as in proto3. */
export function stringFields(fields: Readonly<Record<number, string>>): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, text] of Object.entries(fields))
    if (text !== '') writer.uint32((Number(number) << 3) | 2).string(text);
  return writer.finish();
}

/** Calls `visit` with each field. It returns false for a field that it did not read: that field is skipped. */
export function eachField(bytes: Uint8Array, visit: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (!visit(field, reader)) reader.skip(wireType);
  }
}
