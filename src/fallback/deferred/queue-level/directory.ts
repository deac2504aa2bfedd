import { mkdir, realpath, stat } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import { FailsoftError } from '../../../errors.js';

/**
 * The directories that this process has open, by their real paths. LevelDB's lock belongs to the process: a second `open()` in the
 * same process fails, and drops the lock on its way out, so that another process could open the directory.
 */
const openHere = new Set<string>();

/**
 * Claims a directory within this process, and makes it where it does not exist.
 * @returns its real path, and a function that ends the claim
 * @throws FailsoftError FAILSOFT_IN_USE
 */
export async function claim(directory: string): Promise<{ path: string; release: () => void }> {
  await mkdir(directory, { recursive: true });
  const path = await realpath(directory);
  if (openHere.has(path)) throw inUse(directory, 'this process');
  openHere.add(path);
  return { path, release: () => openHere.delete(path) };
}

/** In bytes. To open again after a full disk, LevelDB needs as much room as its log is long; 4 MiB, its default, is too much. */
const LOG_SIZE = 2 ** 20;

/** @throws FailsoftError FAILSOFT_DAMAGED; FAILSOFT_IN_USE; LevelDB's own error, for example when the disk is full */
export async function openLevel(path: string): Promise<ClassicLevel<string, string>> {
  const db = new ClassicLevel<string, string>(path, {
    keyEncoding: 'utf8',
    valueEncoding: 'utf8',
    writeBufferSize: LOG_SIZE,
    compression: false, // so that we can read the tables too
  });
  try {
    await db.open();
  } catch (error) {
    throw notReadable(path, error);
  }
  return db;
}

/**
 * Finds out whether another process has the directory open. With these options LevelDB takes its lock and then stops, whether or
 * not there is a database.
 * @throws FailsoftError FAILSOFT_IN_USE
 */
export async function checkLock(path: string): Promise<void> {
  const probe = new ClassicLevel(path, { createIfMissing: false, errorIfExists: true });
  try {
    await probe.open();
  } catch (error) {
    if (causeOf(error).code === 'LEVEL_LOCKED') throw inUse(path, 'another process', error);
    return; // the lock was free: LevelDB stopped because there is a database, or because there is none
  }
  await probe.close();
}

/** Translates an error that LevelDB throws while it opens or reads a database. */
export function notReadable(path: string, error: unknown): unknown {
  const { code, message } = causeOf(error);
  if (code === 'LEVEL_LOCKED') return inUse(path, 'another process', error);
  return DISK_TROUBLE.test(message) ? error : damaged(path, message, error);
}

/** Errors of the disk, which a repair of the database cannot mend. */
const DISK_TROUBLE = /No space left|Permission denied|Read-only file system|Too many open files|quota/i;

export async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

export function damaged(path: string, how: string, cause?: unknown): FailsoftError {
  const advice =
    'No job was touched. Copy the directory if you can, then call repairLevelQueue(directory): it saves the jobs that it can ' +
    'read and reports what was lost. Or open a queue in another directory';
  return new FailsoftError(
    'FAILSOFT_DAMAGED',
    `the deferred queue in ${path} is damaged: ${how}. ${advice}`,
    { cause },
  );
}

function inUse(path: string, by: string, cause?: unknown): FailsoftError {
  return new FailsoftError('FAILSOFT_IN_USE', `the deferred queue in ${path} is open in ${by}`, { cause });
}

function causeOf(error: unknown): { code: string; message: string } {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return { code, message: cause instanceof Error ? cause.message : String(cause) };
}
