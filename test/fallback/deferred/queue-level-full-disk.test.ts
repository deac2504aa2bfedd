import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { openLevelQueue } from 'failsoft/queue-level';
import { afterEach, describe, expect, it } from 'vitest';
import { compiled } from '../../support/compiled.js';
import { inFull } from '../../support/long.js';
import { DISKS, type SmallDisk } from './full-disk/disks.js';

const ROUNDS = inFull(2, 1);

const child = compiled('test/fallback/deferred/full-disk/child.ts');

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

describe('a full disk', () => {
  it('is installed here, where services are required', () => {
    const kinds = DISKS.filter(([, make]) => make !== undefined).length;
    if (process.env.FAILSOFT_REQUIRE_SERVICES === '1') expect(kinds).toBeGreaterThan(0);
  });

  describe.each(DISKS)('%s', (_, make) => {
    it.skipIf(make === undefined)('costs no job that was acknowledged, before or after', async () => {
      const { disk, acknowledged, until, goOn, kill } = start(make);
      const rounds = disk.staysFull ? ROUNDS : 1;
      for (let round = 0; round < rounds; round++) {
        expect(await until('full')).toBe(true);
        const before = acknowledged.size;
        goOn();
        expect(await until('done')).toBe(true);
        expect(acknowledged.size).toBe(before + 50);
      }
      await kill();
      if (disk.staysFull) disk.makeRoom(process.pid);
      expect(await lost(disk, acknowledged)).toEqual([]);
      expect(acknowledged.size).toBeGreaterThan(rounds * 50);
    });

    it.skipIf(make === undefined)(
      'costs no job that was acknowledged, though the process dies of it',
      async () => {
        const { disk, acknowledged, until, kill } = start(make);
        expect(await until('full')).toBe(true);
        await kill();
        if (disk.staysFull) disk.makeRoom(process.pid);
        expect(await lost(disk, acknowledged)).toEqual([]);
        expect(acknowledged.size).toBeGreaterThan(50);
      },
    );
  });
});

async function lost(disk: SmallDisk, acknowledged: ReadonlySet<string>): Promise<string[]> {
  const queue = await openLevelQueue(disk.directory);
  const found = new Set((await queue.take(100_000)).map(({ id }) => id));
  await queue.close();
  return [...acknowledged].filter((id) => !found.has(id));
}

/** A process that fills the disk. */
function start(make: (() => SmallDisk) | undefined) {
  if (make === undefined) throw new Error('this machine allows no such disk');
  const disk = make();
  const [program = '', ...args] = [
    ...[...disk.command, process.execPath],
    ...[child, disk.directory, disk.staysFull ? 'in-a-row' : 'in-all'],
  ];
  const running = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(running, 'close');
  const acknowledged = new Set<string>();
  const lines = createInterface(running.stdout)[Symbol.asyncIterator]();
  const until = async (word: string) => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done || value === word) return !done;
      acknowledged.add(String(value).slice('ack '.length));
    }
  };
  const kill = async () => {
    running.kill('SIGKILL');
    await until('end'); // what it had said, it had said
    await ended;
  };
  ends.push(async () => {
    await kill();
    disk.remove();
  });
  const goOn = () => {
    disk.makeRoom(running.pid ?? 0); // `prlimit` becomes the process that it starts
    running.stdin.write('go on\n');
  };
  return { disk, acknowledged, until, goOn, kill };
}
