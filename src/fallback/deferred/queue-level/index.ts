import { checkInteger, checkKeys } from '../../../checks.js';
import { type Clock, systemClock } from '../../../clock.js';
import { invalid, isFailsoftError } from '../../../errors.js';
import type { DeferredQueue } from '../queue.js';
import { checkLock, claim, damaged, notReadable, openLevel } from './directory.js';
import { checkFiles } from './files.js';
import { type Inventory, takeInventory } from './inventory.js';
import { LevelQueue } from './level-queue.js';

export { type RepairReport, repairLevelQueue } from './repair.js';

/** Options of {@link openLevelQueue}. */
export interface LevelQueueOptions {
  /** Most jobs in the queue, without dead jobs. Above it, `deferred` declines. @default 100000 */
  readonly maxJobs?: number;
  /** Most bytes of jobs in the queue, without dead jobs. Above it, `deferred` declines. @default 268435456 (256 MiB) */
  readonly maxBytes?: number;
  /** Most dead jobs; the oldest are deleted first. @default 10000 */
  readonly maxDead?: number;
  /** For the times at which jobs are due. @default systemClock */
  readonly clock?: Clock;
}

/**
 * Opens a queue in a directory of this machine, on LevelDB (`classic-level`, an optional peer), for one process at a time.
 * `enqueue` resolves when the disk has the job (fsync; jobs that come together share one). Opening reads the queue once, to
 * find out whether it is whole.
 *
 * After a write that failed (a full disk) the database is closed and opened again before the next write; until that succeeds, jobs
 * are refused with FAILSOFT_UNAVAILABLE.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT; FAILSOFT_IN_USE when the directory is open, in this or in another process;
 * FAILSOFT_DAMAGED when its files are not as they were written (see {@link repairLevelQueue}); errors of the disk
 */
export async function openLevelQueue(
  directory: string,
  options: LevelQueueOptions = {},
): Promise<DeferredQueue> {
  if (typeof directory !== 'string' || directory === '')
    throw invalid('openLevelQueue.directory', 'a path', directory);
  checkKeys('openLevelQueue', options, ['maxJobs', 'maxBytes', 'maxDead', 'clock']);
  const bounds = {
    maxJobs: checkInteger('openLevelQueue.maxJobs', options.maxJobs ?? 100_000, 1),
    maxBytes: checkInteger('openLevelQueue.maxBytes', options.maxBytes ?? 256 * 2 ** 20, 1),
    maxDead: checkInteger('openLevelQueue.maxDead', options.maxDead ?? 10_000, 0),
  };
  const clock = options.clock ?? systemClock;
  const { path, release } = await claim(directory);
  try {
    await checkLock(path); // the files of a queue that is in use would change while they are read
    await checkFiles(path);
    const db = await openLevel(path);
    try {
      const inventory = await takeInventory(db, clock.epochMs());
      checkInventory(path, inventory);
      const queue = new LevelQueue(db, inventory.found, bounds, clock, release);
      await queue.reschedule(inventory.tooLate);
      return queue;
    } catch (error) {
      await db.close();
      throw isFailsoftError(error) ? error : notReadable(path, error);
    }
  } catch (error) {
    release();
    throw error;
  }
}

function checkInventory(path: string, { found, expected, unreadable }: Inventory): void {
  if (unreadable.length > 0) throw damaged(path, `${unreadable.length} entries cannot be read`);
  if (expected === undefined) throw damaged(path, 'its totals cannot be read');
  const missing = expected.jobs - found.jobs;
  if (missing > 0) throw damaged(path, `${missing} of ${expected.jobs} jobs are missing`);
  if (missing < 0 || expected.dead !== found.dead || expected.bytes !== found.bytes)
    throw damaged(path, `it should hold ${text(expected)}, and holds ${text(found)}`);
}

function text({ jobs, bytes, dead }: Inventory['found']): string {
  return `${jobs} jobs of ${bytes} bytes and ${dead} dead`;
}
