import { attempt, Cursor } from './cursor.js';
import { readLogs } from './log-reader.js';

/** A table that a database is made of. */
export interface TableFile {
  readonly number: number;
  readonly size: number;
}

const COMPARATOR = 1;
const LOG_NUMBER = 2;
const NEXT_FILE = 3;
const LAST_SEQUENCE = 4;
const COMPACT_POINTER = 5;
const DELETED_FILE = 6;
const NEW_FILE = 7;
const PREVIOUS_LOG = 9;

/** The tables that a manifest names; any other table is left over from an unfinished operation. Undefined where it is damaged. */
export function tablesOf(manifest: Buffer): TableFile[] | undefined {
  const { records, damagedBytes, doubtfulBytes } = readLogs([manifest]); // it has the format of a log
  // LevelDB would take the tables that a lost record names for old tables, and delete them.
  if (records.length === 0 || damagedBytes + doubtfulBytes > 0) return undefined;
  const tables = new Map<number, TableFile>();
  return attempt(() => {
    for (const record of records) applyEdit(new Cursor(record), tables);
    return [...tables.values()];
  });
}

function applyEdit(edit: Cursor, tables: Map<number, TableFile>): void {
  while (!edit.isAtEnd) {
    const tag = edit.varint();
    switch (tag) {
      case COMPARATOR:
        edit.prefixed();
        break;
      case LOG_NUMBER:
      case NEXT_FILE:
      case LAST_SEQUENCE:
      case PREVIOUS_LOG:
        edit.varint();
        break;
      case COMPACT_POINTER:
        edit.varint(); // level
        edit.prefixed();
        break;
      case DELETED_FILE:
        edit.varint(); // level
        tables.delete(edit.varint());
        break;
      case NEW_FILE: {
        edit.varint(); // level
        const number = edit.varint();
        tables.set(number, { number, size: edit.varint() });
        edit.prefixed(); // the smallest key
        edit.prefixed(); // and the largest
        break;
      }
      default:
        throw new RangeError(`an unknown tag: ${tag}`);
    }
  }
}
