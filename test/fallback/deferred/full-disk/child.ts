// Run as a process of its own: `child.js <directory> in-a-row|in-all`. Accepts jobs until 15 were refused in a row, or 5 in all; says `full`; waits for a line on its
// input; accepts 50 more, says `done`, and begins anew. Says `ack <id>` for each job that is accepted.
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLevelQueue } from '../../../../src/fallback/deferred/queue-level/index.js';

const AFTERWARDS = 50;

const [directory = '', mode] = process.argv.slice(2);
const inARow = mode === 'in-a-row';
const refusals = inARow ? 15 : 5; // some of them from attempts to open the database again
const queue = await openLevelQueue(directory);
const input = createInterface(process.stdin)[Symbol.asyncIterator]();
const say = (line: string) => writeSync(1, `${line}\n`);
let count = 0;

/** Of many sizes, so that the disk ends in the middle of anything; random, for LevelDB compresses. */
async function enqueue(): Promise<boolean> {
  const id = `job-${String(count++).padStart(6, '0')}`;
  const request = randomBytes(500 + ((count * 7919) % 12_000)).toString('base64');
  const counts = { replays: 0, failures: 0, excused: 0 };
  const job = { id, method: '/s/M', request, metadata: [], acceptedAtMs: 1, expiresAtMs: 2 ** 42, ...counts };
  try {
    await queue.enqueue(job);
  } catch {
    return false;
  }
  say(`ack ${id}`);
  return true;
}

for (;;) {
  for (let refused = 0; refused < refusals; ) {
    if (await enqueue()) refused = inARow ? 0 : refused;
    else {
      refused++;
      await sleep(30);
    }
  }
  say('full');
  await input.next();
  for (let accepted = 0; accepted < AFTERWARDS; ) {
    if (await enqueue()) accepted++;
    else await sleep(30);
  }
  say('done');
}
