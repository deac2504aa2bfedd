import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { damaged } from './directory.js';
import { readLogs } from './format/log-reader.js';
import { tablesOf } from './format/manifest.js';
import { readTable } from './format/table-reader.js';

const TABLE = /^(\d+)\.(ldb|sst)$/;
const LOG = /^(\d+)\.log$/;
const MANIFEST = /^MANIFEST-\d+$/;

/**
 * Checks the files of a queue before LevelDB opens them: with damaged files LevelDB gives wrong answers, deletes files that it
 * could not read, or ends the process.
 * @throws FailsoftError FAILSOFT_DAMAGED
 */
export async function checkFiles(path: string): Promise<void> {
  const files = await readdir(path);
  if (!files.some((file) => TABLE.test(file) || LOG.test(file) || MANIFEST.test(file))) return; // a new queue
  // Without this file LevelDB would make an empty database.
  if (!files.includes('CURRENT')) throw damaged(path, 'the file CURRENT is missing');
  const manifest = (await readFile(join(path, 'CURRENT'), 'utf8')).trimEnd();
  if (!MANIFEST.test(manifest) || !files.includes(manifest)) throw damaged(path, 'CURRENT names no file');
  const tables = tablesOf(await readFile(join(path, manifest)));
  if (tables === undefined) throw damaged(path, `${manifest} cannot be read`);
  const byNumber = new Map(files.map((file) => [Number(TABLE.exec(file)?.[1]), file]));
  for (const { number, size } of tables) {
    const file = byNumber.get(number);
    if (file === undefined) throw damaged(path, `table ${number} is missing`);
    const table = await readFile(join(path, file));
    if (table.length !== size || !readTable(table).isWhole) throw damaged(path, `${file} cannot be read`);
  }
  const { damagedBytes } = readLogs(await logsIn(path));
  if (damagedBytes > 0) throw damaged(path, `${damagedBytes} bytes of its log cannot be read`);
}

/** The logs in a directory, the oldest first. */
export async function logsIn(path: string): Promise<Buffer[]> {
  const numbered = (await readdir(path)).filter((name) => LOG.test(name));
  numbered.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  return Promise.all(numbered.map((name) => readFile(join(path, name))));
}

/** The names of all tables in a directory. */
export async function tablesIn(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => TABLE.test(name));
}
