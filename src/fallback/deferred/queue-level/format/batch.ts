import { attempt, Cursor } from './cursor.js';

/** A version of an entry. A key holds the version with the highest sequence number. */
export interface Version {
  readonly key: string;
  readonly sequence: number;
  /** Undefined where the entry was deleted. */
  readonly value: string | undefined;
}

export const PUT = 1;
const HEADER = 12; // sequence number (8), count (4)

/** The writes of a record of a log; undefined where it is no batch. */
export function writesOf(record: Buffer): Version[] | undefined {
  return attempt(() => {
    const writes: Version[] = [];
    const first = Number(record.readBigUInt64LE(0));
    const cursor = new Cursor(record, HEADER);
    while (!cursor.isAtEnd) {
      const isPut = cursor.byte() === PUT;
      const key = cursor.prefixed().toString();
      const value = isPut ? cursor.prefixed().toString() : undefined;
      writes.push({ key, sequence: first + writes.length, value });
    }
    return writes;
  });
}
