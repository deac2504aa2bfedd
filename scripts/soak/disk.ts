import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** LevelDB's own files and the jobs that wait need a part of it. */
const SIZE = 24 * 2 ** 20;

/** A small file system, which gets full and has room again. */
export interface SmallDisk {
  readonly directory: string;
  /** Whether this machine allows it: a disk that cannot be filled is an ordinary directory. */
  readonly canBeFull: boolean;
  /** Writes ballast until not a byte more has room. */
  fill(): void;
  free(): void;
  remove(): void;
}

export function makeDisk(): SmallDisk {
  const parent = mkdtempSync(join(tmpdir(), 'failsoft-soak-disk-'));
  const at = join(parent, 'mounted');
  mkdirSync(at);
  const canBeFull = run('mount', '-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', at);
  const ballast = join(at, 'ballast');
  const remove = () => {
    process.off('exit', remove);
    if (canBeFull) run('umount', '-l', at);
    rmSync(parent, { recursive: true, force: true });
  };
  process.on('exit', remove);
  return {
    directory: join(at, 'queue'),
    canBeFull,
    fill: () => {
      if (canBeFull) fillUp(ballast);
    },
    free: () => rmSync(ballast, { force: true }),
    remove,
  };
}

function fillUp(file: string): void {
  const handle = openSync(file, 'a');
  try {
    for (const size of [2 ** 18, 2 ** 12]) {
      const bytes = Buffer.alloc(size);
      while (hasWritten(handle, bytes));
    }
  } finally {
    closeSync(handle);
  }
}

function hasWritten(handle: number, bytes: Buffer): boolean {
  try {
    return writeSync(handle, bytes) === bytes.length;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false;
    throw error;
  }
}

/** @returns whether it could be run, and succeeded */
function run(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
