import { createHash } from 'node:crypto';

/** An answer as it is stored. Its time is the wall clock's: other processes cannot use the monotonic clock of this process. */
export interface StoredAnswer {
  readonly encoded: string;
  readonly epochMs: number;
}

// A value in a store: the version, then in base64 the time (a double), a checksum, the message's bytes.
const VERSION = 'fs1:';
const AT_BYTES = 8;
const CHECKSUM_BYTES = 16;
const HEADER_BYTES = AT_BYTES + CHECKSUM_BYTES;

/** An answer as text that any store can hold. Its checksum covers the key: an answer under another key is garbage. */
export function toEnvelope(kept: StoredAnswer, key: string): string {
  const whole = Buffer.alloc(HEADER_BYTES + kept.encoded.length);
  whole.writeDoubleBE(kept.epochMs, 0);
  whole.write(kept.encoded, HEADER_BYTES, 'latin1');
  checksum(whole, key).copy(whole, AT_BYTES);
  return VERSION + whole.toString('base64');
}

/** Whether a text, if it is an envelope, holds a message of more than `bytes`; found out without decoding it. */
export function isLongerEnvelope(text: string, bytes: number): boolean {
  return text.length > VERSION.length + Math.ceil((HEADER_BYTES + bytes) / 3) * 4;
}

/** Undefined for anything that {@link toEnvelope} did not make for this key. */
export function fromEnvelope(text: string, key: string): StoredAnswer | undefined {
  if (!text.startsWith(VERSION)) return undefined;
  const whole = Buffer.from(text.slice(VERSION.length), 'base64');
  if (whole.length < HEADER_BYTES) return undefined;
  if (!checksum(whole, key).equals(whole.subarray(AT_BYTES, HEADER_BYTES))) return undefined;
  return { encoded: whole.toString('latin1', HEADER_BYTES), epochMs: whole.readDoubleBE(0) };
}

function checksum(whole: Buffer, key: string): Buffer {
  return createHash('sha256')
    .update(`${key.length}:${key}`)
    .update(whole.subarray(0, AT_BYTES))
    .update(whole.subarray(HEADER_BYTES))
    .digest()
    .subarray(0, CHECKSUM_BYTES);
}
