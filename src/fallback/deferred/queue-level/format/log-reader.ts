import { crc32c, masked } from './crc32c.js';

// The format: https://github.com/google/leveldb/blob/main/doc/log_format.md
const BLOCK = 32_768;
const HEADER = 7; // checksum (4), length (2), type (1)
const WHOLE = 1; // a record in one fragment
const FIRST = 2; // or in several: the first, any number of type 3, the last
const LAST = 4;

interface Fragment {
  readonly type: number;
  readonly data: Buffer;
  readonly end: number;
}

/** The contents of the logs of a LevelDB. */
export interface LogContents {
  /** The undamaged records, in their order: each is a batch of writes. */
  readonly records: readonly Buffer[];
  /** Bytes that are no record, and are followed by undamaged records. */
  readonly damagedBytes: number;
  /**
   * Bytes at the end that are neither a record nor the beginning of a record: a damaged last record, or a write that a power
   * failure cut off before it was acknowledged.
   */
  readonly doubtfulBytes: number;
}

/**
 * Reads the logs of a LevelDB, the oldest first. LevelDB itself drops the rest of the block of 32 KiB after a damaged record, notes
 * that in its own log file only, and goes on. This reader drops only the damaged record. A record that is cut off, and is not
 * followed by an undamaged record, is a write that was never acknowledged: no damage.
 */
export function readLogs(logs: readonly Buffer[]): LogContents {
  const records: Buffer[] = [];
  let parts: Buffer[] | undefined;
  let damagedBytes = 0;
  let suspectBytes = 0; // damage if a whole record follows, a write that was cut off if not
  let doubtfulBytes = 0; // the part of `suspectBytes` that no write which was cut off explains
  const suspect = (bytes: number) => {
    suspectBytes += bytes;
  };
  const drop = () => {
    if (parts !== undefined) suspect(parts.reduce((sum, part) => sum + part.length + HEADER, 0));
    parts = undefined;
  };
  const accept = (record: Buffer) => {
    records.push(record);
    damagedBytes += suspectBytes;
    suspectBytes = 0;
    doubtfulBytes = 0;
  };
  for (const log of logs) {
    for (let at = 0; at < log.length; ) {
      const blockEnd = Math.min(log.length, at - (at % BLOCK) + BLOCK);
      if (blockEnd - at < HEADER) {
        at = blockEnd; // LevelDB fills the end of a block with zeros
        continue;
      }
      const fragment = fragmentAt(log, at, blockEnd);
      if (fragment === undefined) {
        drop();
        const next = nextFragment(log, at + 1, blockEnd);
        if (log.subarray(at, next).some((byte) => byte !== 0)) {
          suspect(next - at); // zeros are space that was set aside in advance
          if (endAt(log, at) <= log.length) doubtfulBytes += next - at;
        }
        at = next;
        continue;
      }
      at = fragment.end;
      if (fragment.type === WHOLE || fragment.type === FIRST) drop();
      if (fragment.type === WHOLE) accept(fragment.data);
      else if (fragment.type === FIRST) parts = [fragment.data];
      else if (parts === undefined) suspect(fragment.data.length + HEADER);
      else {
        parts.push(fragment.data);
        if (fragment.type === LAST) {
          const record = Buffer.concat(parts);
          parts = undefined;
          accept(record);
        }
      }
    }
    drop();
  }
  return { records, damagedBytes, doubtfulBytes };
}

function fragmentAt(log: Buffer, at: number, blockEnd: number): Fragment | undefined {
  if (blockEnd - at < HEADER) return undefined;
  const type = log.readUInt8(at + 6);
  const end = endAt(log, at);
  if (type < WHOLE || type > LAST || end > blockEnd) return undefined;
  if (log.readUInt32LE(at) !== masked(crc32c(log.subarray(at + 6, end)))) return undefined;
  return { type, data: log.subarray(at + HEADER, end), end };
}

/** Where a fragment ends, by its header. */
function endAt(log: Buffer, at: number): number {
  return at + HEADER + log.readUInt16LE(at + 4);
}

/** Where the next sound fragment of the block begins, or the block's end. */
function nextFragment(log: Buffer, from: number, blockEnd: number): number {
  for (let at = from; at < blockEnd; at++) if (fragmentAt(log, at, blockEnd) !== undefined) return at;
  return blockEnd;
}
