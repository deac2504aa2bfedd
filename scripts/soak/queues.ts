import { openBullQueue } from '../../src/fallback/deferred/queue-bullmq/index.js';
import { openLevelQueue } from '../../src/fallback/deferred/queue-level/index.js';
import { makeDisk } from './disk.js';
import { runQueue } from './queue-part.js';
import { startRedis } from './redis.js';
import { later, type World } from './world.js';

/** A queue on a disk that gets full, is freed, and is opened again. */
export async function runLevelQueue(world: World): Promise<void> {
  const disk = makeDisk();
  if (!disk.canBeFull) world.ledger.leaveOut('a full disk: this machine allows no mount of a tmpfs');
  await runQueue(world, {
    name: 'LevelDB',
    fault: disk.canBeFull ? 'disk full' : undefined,
    open: () => openLevelQueue(disk.directory, { clock: world.clock }),
    async befall({ isOver, ledger }, random, reopen) {
      while (!isOver()) {
        await later(500 + 1_000 * random());
        if (isOver()) break;
        disk.fill();
        if (disk.canBeFull) ledger.add('disk full');
        await later(300 + 700 * random());
        disk.free();
        await later(300 * random());
        await reopen();
      }
    },
  });
  disk.remove();
}

/** A queue in a Redis that is stopped and continued. */
export async function runBullQueue(world: World): Promise<void> {
  const redis = await startRedis();
  if (redis === undefined) return world.ledger.leaveOut('Redis stopped: redis-server cannot be run here');
  const { host, port } = redis;
  await runQueue(world, {
    name: 'BullMQ',
    fault: 'Redis stopped',
    open: async (timeoutMs) =>
      openBullQueue('soak', { connection: { host, port }, timeoutMs, leaseMs: 3_000, maxDead: 100_000 }),
    async befall({ isOver, ledger }, random, reopen) {
      while (!isOver()) {
        await later(800 + 1_500 * random());
        if (isOver()) break;
        redis.suspend();
        ledger.add('Redis stopped');
        await later(300 + 1_200 * random());
        redis.resume();
        await later(300 * random());
        if (random() < 0.3) await reopen();
      }
    },
  });
  await redis.stop();
}
