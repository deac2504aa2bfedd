import { type Client, Metadata, status } from '@grpc/grpc-js';
import {
  createGuard,
  DeferredDrainer,
  type DeferredQueue,
  deferred,
  FallbackRegistry,
  type Guard,
  JOB_ID_KEY,
} from '../../src/index.js';
import { callUnary, soakClient } from './calls.js';
import { Jobs } from './jobs.js';
import { killAndRestart } from './killer.js';
import { faulty, SoakServer } from './server.js';
import { type Message, soakService } from './service.js';
import { closeGuard, later, onLanes, randomOf, untilSeen, type World } from './world.js';

const LANES = 3;
/** The most time for the jobs that are left when the traffic is over. */
const DRAIN_MS = 60_000;
/** The time limit of an operation on the queue while faults befall it. */
const LIMIT_MS = 500;
const DAY_MS = 24 * 3_600_000;
/** Makes each job 1 to 3 kB. */
const PADDING = 'x'.repeat(1_000);

/** A queue, and what befalls it. */
export interface QueueUnderFaults {
  readonly name: string;
  /** The name in the ledger under which its faults are counted; undefined if this machine allows none. */
  readonly fault: string | undefined;
  /** @param limitMs the time limit of an operation, if the queue has one */
  open(limitMs: number): Promise<DeferredQueue>;
  /** Runs until the soak is over; calls `reopen` to close the queue and open it again. The queue is well afterwards. */
  befall(world: World, random: () => number, reopen: () => Promise<void>): Promise<void>;
}

/** A queue with a drainer, which is opened again now and then. */
class OpenQueue {
  readonly #world: World;
  readonly #subject: QueueUnderFaults;
  readonly #client: Client;
  readonly #guard: Guard;
  readonly #jobs: Jobs;
  #queue: DeferredQueue;
  #drainer: DeferredDrainer;

  constructor(
    world: World,
    subject: QueueUnderFaults,
    queue: DeferredQueue,
    client: Client,
    guard: Guard,
    jobs: Jobs,
  ) {
    this.#world = world;
    this.#subject = subject;
    this.#client = client;
    this.#guard = guard;
    this.#jobs = jobs;
    this.#queue = queue;
    this.#drainer = this.#drain(queue);
  }

  get queue(): DeferredQueue {
    return this.#queue;
  }

  async reopen(limitMs: number): Promise<void> {
    await this.close();
    this.#queue = await this.#subject.open(limitMs);
    this.#drainer = this.#drain(this.#queue);
    this.#world.ledger.add('queues reopened');
  }

  async close(): Promise<void> {
    await this.#drainer.close();
    await this.#queue.close();
  }

  #drain(queue: DeferredQueue): DeferredDrainer {
    const { ledger, clock } = this.#world;
    return new DeferredDrainer({
      queue,
      methods: [{ method: anyMethod, client: this.#client }],
      ready: () => this.#guard.circuit(soakService.score).state !== 'open',
      guard: { on: (name, listener) => this.#guard.on(name, listener) },
      onResult: ({ job, request, response }) =>
        this.#jobs.predicted(job.id, textOf(request), textOf(response)),
      onError: () => ledger.add('errors of queues that drainers reported'),
      ratePerSecond: 300,
      maxConcurrent: 8,
      maxFailures: 6,
      maxReplays: 100,
      retryMs: 50,
      callTimeoutMs: 500,
      resultTimeoutMs: 1_000,
      closeTimeoutMs: 5_000,
      pollMs: 100,
      clock,
    });
  }
}

/** As the drainer takes methods: it does not know their messages. */
const anyMethod = {
  ...soakService.score,
  requestSerialize: (value: unknown) => soakService.score.requestSerialize(messageOf(value)),
  responseSerialize: (value: unknown) => soakService.score.responseSerialize(messageOf(value)),
};

function messageOf(value: unknown): Message {
  return soakService.score.requestDeserialize(Buffer.from(JSON.stringify(value)));
}

function textOf(value: unknown): string {
  return messageOf(value).text;
}

/** Calls that fall back to a queue while their server is down, and drain from it; every acknowledged job must be predicted. */
export async function runQueue(all: World, subject: QueueUnderFaults): Promise<void> {
  const { ledger, clock } = all;
  const { name, fault } = subject;
  // A slow machine may open the queue only when a short run is nearly over.
  const world = untilSeen(
    all,
    () => ledger.of(`jobs acknowledged, ${name}`) > 0 && (fault === undefined || ledger.of(fault) > 0),
  );
  const random = randomOf(world, name);
  const jobs = new Jobs(name, ledger);
  const server = await SoakServer.start({
    // When the traffic is over, the faults are too: what is left drains.
    fate: () => (world.isOver() ? { kind: 'served', afterMs: 0 } : faulty(random, 'injected fault')),
  });
  const first = await subject.open(LIMIT_MS);
  let current: OpenQueue | undefined;
  const now = () => current?.queue ?? first;
  const guard = createGuard({
    clock,
    circuit: { open: { baseMs: 50, maxMs: 300 }, recovering: { durationMs: 50 } },
    fallbacks: new FallbackRegistry().register(soakService.score, [
      deferred<Message, Message>({
        queue: delegate(now),
        acknowledge: (request) => ({ ...request, text: 'accepted' }),
        expiresAfterMs: DAY_MS,
        timeoutMs: 700,
        clock,
      }),
    ]),
  });
  const client = soakClient(server.address, { interceptors: [guard.interceptor] });
  const open = new OpenQueue(world, subject, first, client, guard, jobs);
  current = open;
  const faults = Promise.all([
    killAndRestart(world, server, random),
    subject.befall(world, random, () => open.reopen(LIMIT_MS)),
  ]);
  let count = 0;
  await onLanes(
    world,
    LANES,
    () => 20 + 40 * random(),
    async () => {
      const text = `${name} ${count++} ${PADDING.repeat(Math.floor(random() * 3))}`;
      const cancelAfterMs = random() < 0.1 ? Math.floor(random() * 30) : undefined;
      if (cancelAfterMs !== undefined) ledger.add('cancels');
      const ended = await callUnary(
        ledger,
        client,
        soakService.score,
        { model_name: '', tenant: '', text },
        { metadata: new Metadata(), timeoutMs: 1_000, cancelAfterMs },
      );
      if (ended.code !== status.OK) return;
      if (ended.source === 'deferred') jobs.acknowledged(String(ended.headers.get(JOB_ID_KEY)[0]), text);
      else if (ended.response?.text !== text)
        ledger.fail(`${name}: asked ${text.slice(0, 40)}, got ${ended.response?.text.slice(0, 40)}`);
    },
  );
  await faults;
  // What was acknowledged has to be there after a restart. No fault is left: an operation has all the time that a busy machine takes.
  await open.reopen(DRAIN_MS);
  const until = performance.now() + DRAIN_MS;
  while (jobs.open > 0 && performance.now() < until && !(await isEmpty(open.queue))) await later(100);
  await jobs.settle(open.queue);
  await open.close();
  client.close();
  server.kill();
  await closeGuard(name, guard, ledger);
}

async function isEmpty(queue: DeferredQueue): Promise<boolean> {
  const { waiting, active } = await queue.counts();
  return waiting + active === 0;
}

/** The queue that is open now; while it is closed, it refuses. */
function delegate(now: () => DeferredQueue): DeferredQueue {
  return {
    enqueue: (job) => now().enqueue(job),
    withdraw: (job) => now().withdraw(job),
    take: (limit) => now().take(limit),
    save: (job) => now().save(job),
    complete: (job) => now().complete(job),
    putBack: (job, delayMs) => now().putBack(job, delayMs),
    bury: (job, reason) => now().bury(job, reason),
    dead: (limit) => now().dead(limit),
    counts: () => now().counts(),
    close: () => now().close(),
  };
}
