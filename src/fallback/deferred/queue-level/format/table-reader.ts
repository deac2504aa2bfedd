import { PUT, type Version } from './batch.js';
import { crc32c, masked } from './crc32c.js';
import { attempt, Cursor } from './cursor.js';

// The format: https://github.com/google/leveldb/blob/main/doc/table_format.md
const FOOTER = 48;
const MAGIC = 0xdb4775248b80fb57n;
const TRAILER = 5; // type (1), checksum (4)
const UNCOMPRESSED = 0;
const INTERNAL = 8; // behind each key: type (1), sequence number (7)

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** The contents of a table. */
export interface TableContents {
  readonly versions: readonly Version[];
  readonly isWhole: boolean;
}

/**
 * Reads a table of LevelDB and checks the checksum of each block. LevelDB itself does not: it returns whatever it reads, and ends
 * the process (an assertion) when it finds keys out of order while it compacts or repairs.
 */
export function readTable(table: Buffer): TableContents {
  const plan = planOf(table);
  // Without its index a table is read from the front, up to the first block that is damaged.
  const found = plan === undefined ? blocksFromFront(table) : plan.data.map((at) => blockAt(table, at));
  const others = plan === undefined ? [undefined] : plan.others.map((at) => blockAt(table, at));
  const isWhole = [...found, ...others].every((block) => block !== undefined);
  return { versions: found.flatMap((block) => (block === undefined ? [] : versionsOf(block))), isWhole };
}

interface Plan {
  readonly data: readonly Handle[];
  /** The blocks of filters: a damaged filter hides entries. */
  readonly others: readonly Handle[];
}

/** Where the blocks are, by the table's indexes; undefined when these cannot be read. */
function planOf(table: Buffer): Plan | undefined {
  if (table.length < FOOTER || table.readBigUInt64LE(table.length - 8) !== MAGIC) return undefined;
  return attempt(() => {
    const footer = new Cursor(table, table.length - FOOTER);
    const others = blockAt(table, handleOf(footer));
    const data = blockAt(table, handleOf(footer));
    if (others === undefined || data === undefined) return undefined;
    return { data: handlesIn(data), others: handlesIn(others) };
  });
}

function handlesIn(block: Buffer): Handle[] {
  return Array.from(entriesOf(block), ({ value }) => handleOf(new Cursor(value)));
}

function handleOf(cursor: Cursor): Handle {
  const offset = cursor.varint();
  return { offset, size: cursor.varint() };
}

/** A block's contents; undefined when it is not as it was written. */
function blockAt(table: Buffer, { offset, size }: Handle): Buffer | undefined {
  const end = offset + size;
  if (end + TRAILER > table.length || table.readUInt8(end) !== UNCOMPRESSED) return undefined;
  const sound = table.readUInt32LE(end + 1) === masked(crc32c(table.subarray(offset, end + 1)));
  return sound ? table.subarray(offset, end) : undefined;
}

/** Finds blocks without an index: a block ends where the checksum of the bytes since its beginning follows. */
function blocksFromFront(table: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  let begin = 0;
  let crc = 0;
  for (let at = 0; at + TRAILER <= table.length; at++) {
    crc = crc32c(table.subarray(at, at + 1), crc);
    if (table.readUInt8(at) !== UNCOMPRESSED || table.readUInt32LE(at + 1) !== masked(crc)) continue;
    blocks.push(table.subarray(begin, at));
    begin = at + TRAILER;
    at = begin - 1;
    crc = 0;
  }
  return blocks;
}

function versionsOf(block: Buffer): Version[] {
  const versions = attempt(() =>
    Array.from(entriesOf(block), ({ key, value }): Version => {
      const end = key.length - INTERNAL;
      const tag = key.readBigUInt64LE(end);
      const isPut = Number(tag & 0xffn) === PUT;
      return {
        key: key.toString('utf8', 0, end),
        sequence: Number(tag >> 8n),
        value: isPut ? value.toString() : undefined,
      };
    }),
  );
  return versions ?? []; // an index that was read from the front: it holds no entries
}

/** The entries of a block; of each key, the part that it shares with the key before is left out. */
function* entriesOf(block: Buffer): Generator<{ key: Buffer; value: Buffer }> {
  const restarts = block.readUInt32LE(block.length - 4);
  const cursor = new Cursor(block.subarray(0, block.length - 4 * (restarts + 1)));
  let key: Buffer = Buffer.alloc(0);
  while (!cursor.isAtEnd) {
    const shared = cursor.varint();
    const rest = cursor.varint();
    const length = cursor.varint();
    key = Buffer.concat([key.subarray(0, shared), cursor.take(rest)]);
    yield { key, value: cursor.take(length) };
  }
}
