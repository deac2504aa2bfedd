import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A disk that is full after a few megabytes. */
export interface SmallDisk {
  readonly directory: string;
  /** Run in front of the process that uses the disk. */
  readonly command: readonly string[];
  /** Whether it stays full once it is, until there is room; with a limit on files, the next file has room. */
  readonly staysFull: boolean;
  /** Makes room for the process; it does so twice on a disk that stays full. */
  makeRoom(pid: number): void;
  remove(): void;
}

/** A directory in memory, where fsync costs nothing. */
const MEMORY = '/dev/shm';
const SIZE = 12 * 2 ** 20;
const BALLAST = 4 * 2 ** 20;
const FILE_LIMIT = 200_000;

function mount(type: 'tmpfs' | 'ext4'): SmallDisk {
  const parent = mkdtempSync(join(tmpdir(), 'failsoft-disk-'));
  const at = join(parent, 'mounted');
  mkdirSync(at);
  try {
    if (type === 'tmpfs') run('mount', '-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', at);
    else {
      const image = join(parent, 'image');
      writeFileSync(image, '');
      truncateSync(image, SIZE);
      run('mkfs.ext4', '-q', '-F', image);
      run('mount', '-o', 'loop', image, at);
    }
  } catch (error) {
    rmSync(parent, { recursive: true, force: true });
    throw error;
  }
  const ballast = ['ballast-1', 'ballast-2'].map((name) => join(at, name));
  for (const file of ballast) writeFileSync(file, Buffer.alloc(BALLAST));
  return {
    directory: join(at, 'queue'),
    command: [],
    staysFull: true,
    makeRoom: () => {
      const file = ballast.pop();
      if (file !== undefined) rmSync(file);
    },
    remove: () => {
      run('umount', at);
      rmSync(parent, { recursive: true, force: true });
    },
  };
}

/** The log of LevelDB grows to 1 MiB; here each file ends before that. */
function limit(): SmallDisk {
  const parent = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'failsoft-disk-'));
  return {
    directory: join(parent, 'queue'),
    command: ['prlimit', `--fsize=${FILE_LIMIT}:unlimited`],
    staysFull: false,
    makeRoom: (pid) => run('prlimit', '--pid', String(pid), '--fsize=unlimited:unlimited'),
    remove: () => rmSync(parent, { recursive: true, force: true }),
  };
}

function mountable(type: 'tmpfs' | 'ext4'): (() => SmallDisk) | undefined {
  try {
    mount(type).remove();
    return () => mount(type);
  } catch {
    return undefined;
  }
}

function limitable(): (() => SmallDisk) | undefined {
  try {
    run('prlimit', '--fsize=1000:unlimited', 'true');
    return limit;
  } catch {
    return undefined;
  }
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: 'ignore' });
}

/** Each kind of small disk; undefined where this machine does not allow it. */
export const DISKS: readonly (readonly [kind: string, make: (() => SmallDisk) | undefined])[] = [
  ['a tmpfs', mountable('tmpfs')],
  ['an ext4 in a file', mountable('ext4')],
  ['a limit on the size of files (RLIMIT_FSIZE)', limitable()],
];
