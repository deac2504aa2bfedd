import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { checkKeys } from '../../../checks.js';
import { type Clock, systemClock } from '../../../clock.js';
import { invalid } from '../../../errors.js';
import { checkLock, claim, isDirectory, notReadable, openLevel } from './directory.js';
import { type Operation, seal } from './entries.js';
import { logsIn, tablesIn } from './files.js';
import { type Version, writesOf } from './format/batch.js';
import { readLogs } from './format/log-reader.js';
import { readTable } from './format/table-reader.js';
import { inventoryOf } from './inventory.js';
import { deadKeyOf, TOTALS } from './keys.js';

/** The result of {@link repairLevelQueue}. */
export interface RepairReport {
  /** Jobs that are in the queue now. */
  readonly jobs: number;
  /** Dead jobs that are in the queue now. */
  readonly dead: number;
  /**
   * Lost jobs, by the totals that the database had. Undefined if the totals were lost as well. The job that was accepted last
   * may be in no count but `damagedLogBytes`, if its record is the damaged record.
   */
  readonly lostJobs: number | undefined;
  /** Entries that were changed since they were written. They are dead jobs with the reason `unreadable`, for a person to examine. */
  readonly unreadable: number;
  /** Bytes of the log that could not be read. */
  readonly damagedLogBytes: number;
  /** The directory with the files as they were before the repair. Delete it when you do not need it any more. */
  readonly backup: string;
}

/**
 * Repairs the queue in a directory that {@link openLevelQueue} refuses as damaged: keeps a copy of its files, saves each job that
 * can be read, and reports the losses. A job that was completed shortly before may come back: replays are at least once.
 * The queue must not be open.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT; FAILSOFT_IN_USE; errors of the disk, for example when it is full
 */
export async function repairLevelQueue(
  directory: string,
  options: { readonly clock?: Clock } = {},
): Promise<RepairReport> {
  if (typeof directory !== 'string' || !(await isDirectory(directory)))
    throw invalid('repairLevelQueue.directory', 'the path of a directory', directory);
  checkKeys('repairLevelQueue', options, ['clock']);
  const clock = options.clock ?? systemClock;
  const { path, release } = await claim(directory);
  try {
    await checkLock(path);
    const backup = await backUp(path, clock.epochMs());
    const { entries, damagedLogBytes } = await salvage(backup);
    await destroy(path, backup);
    const db = await openLevel(path);
    try {
      return { ...(await fill(db, entries, clock.epochMs())), damagedLogBytes, backup };
    } finally {
      await db.close();
    }
  } finally {
    release();
  }
}

/** Deletes the old database. Fails while another process has the directory open, because that process holds LevelDB's lock. */
async function destroy(path: string, backup: string): Promise<void> {
  try {
    await ClassicLevel.destroy(path);
  } catch (error) {
    await rm(backup, { recursive: true });
    throw notReadable(path, error);
  }
}

async function backUp(path: string, nowMs: number): Promise<string> {
  const backup = join(path, `before-repair-${nowMs}`);
  await mkdir(backup);
  for (const entry of await readdir(path, { withFileTypes: true }))
    if (entry.isFile() && entry.name !== 'LOCK') await cp(join(path, entry.name), join(backup, entry.name));
  return backup;
}

/** The newest version of each entry that can be read. */
async function salvage(path: string): Promise<{ entries: Map<string, string>; damagedLogBytes: number }> {
  const newest = new Map<string, Version>();
  const see = (version: Version) => {
    if (version.sequence >= (newest.get(version.key)?.sequence ?? 0)) newest.set(version.key, version);
  };
  for (const table of await tablesIn(path))
    for (const version of readTable(await readFile(join(path, table))).versions) see(version);
  const { records, damagedBytes } = readLogs(await logsIn(path));
  for (const version of records.flatMap((record) => writesOf(record) ?? [])) see(version);
  const entries = new Map<string, string>();
  for (const { key, value } of newest.values()) if (value !== undefined) entries.set(key, value);
  return { entries, damagedLogBytes: damagedBytes };
}

/** Writes the entries into a new database; unreadable entries become dead jobs. */
async function fill(db: ClassicLevel<string, string>, entries: Map<string, string>, nowMs: number) {
  const { found, expected, unreadable } = inventoryOf(entries, nowMs);
  for (const [index, { key, text }] of unreadable.entries()) {
    const deadKey = deadKeyOf(`${index}-${key}`, nowMs);
    entries.delete(key);
    entries.set(deadKey, seal(deadKey, { reason: 'unreadable', text }));
  }
  const totals = { ...found, dead: found.dead + unreadable.length };
  entries.set(TOTALS, seal(TOTALS, totals));
  await db.batch(
    Array.from(entries, ([key, value]): Operation => ({ type: 'put', key, value })),
    { sync: true },
  );
  const lostJobs = expected === undefined ? undefined : Math.max(0, expected.jobs - found.jobs);
  return { jobs: totals.jobs, dead: totals.dead, lostJobs, unreadable: unreadable.length };
}
