import { writeFileSync } from 'node:fs';
import { watchHeap } from './heap.js';
import { runKinds } from './kinds-part.js';
import { Ledger } from './ledger.js';
import { runModels } from './models-part.js';
import { runOdd } from './odd-part.js';
import { PARTS, type Part, type SoakOptions } from './options.js';
import { runBullQueue, runLevelQueue } from './queues.js';
import { reportOf, textOf } from './report.js';
import { SteppingClock } from './stepping-clock.js';
import { later, randomOf, type World } from './world.js';

/** Connections have a moment to end their timers, and some turns of the loop: the moment may pass while the process stands still. */
const LAST_TIMERS_MS = 15_000;
const LAST_TURNS = 10_000;

const RUN: Readonly<Record<Part | 'clock', (world: World) => Promise<void>>> = {
  kinds: runKinds,
  models: runModels,
  odd: runOdd,
  level: runLevelQueue,
  bull: runBullQueue,
  clock: stepClock,
};

/** Runs all parts at the same time. @returns whether nothing was lost, and nothing is left behind */
export async function runSoak({ seconds, seed, json, only }: SoakOptions): Promise<boolean> {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('start it with node --expose-gc, as npm run soak does');
  const ledger = new Ledger();
  process.on('unhandledRejection', (error) => ledger.fail(`an unhandled rejection: ${stackOf(error)}`));
  process.on('uncaughtException', (error) => ledger.fail(`an uncaught exception: ${stackOf(error)}`));
  process.on('warning', () => ledger.add('process warnings'));
  const until = performance.now() + seconds * 1_000;
  const isOver = () => performance.now() >= until;
  const world: World = { ledger, clock: new SteppingClock(), seed, isOver };
  const measuring = watchHeap(seconds, () => collect(), ledger);
  const running = [...PARTS.filter((part) => only === undefined || part === only), 'clock' as const].map(
    async (name) => {
      try {
        await RUN[name](world);
      } catch (error) {
        ledger.fail(`${name}: ${stackOf(error)}`);
      }
    },
  );
  await Promise.all(running);
  const measured = await measuring;
  const timers = await leftTimers();
  ledger.add('timers at the end', timers);
  const active = process.getActiveResourcesInfo().join(', ');
  if (timers > 0) ledger.fail(`${timers} timers are left when everything is closed; active are: ${active}`);
  const report = reportOf(ledger, measured, { seed, seconds });
  console.log(textOf(report));
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`);
  return report.failures.length === 0;
}

/** Sets the wall clock an hour ahead or back, and right again. */
async function stepClock(world: World): Promise<void> {
  const random = randomOf(world, 'clock');
  do {
    await later(200 + 800 * random());
    world.clock.step(random);
    world.ledger.add('clock steps');
  } while (!world.isOver());
}

async function leftTimers(): Promise<number> {
  const count = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const until = performance.now() + LAST_TIMERS_MS;
  for (let turn = 0; count() > 0 && (turn < LAST_TURNS || performance.now() < until); turn++)
    await new Promise((resolve) => setImmediate(resolve));
  return count();
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
