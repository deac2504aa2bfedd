import type { ClockSteps } from './clock-steps.js';
import type { DrainedMethod, DrainerSettings } from './drainer-options.js';
import { type DeferredJob, unfinished } from './queue.js';
import { type DeferredResult, isHopeless, isRejected, replay, textOf, wasTried } from './replay.js';

const LONGEST_RETRY_MS = 60_000;
/** How long a job of an unknown method waits: a process that knows the method may be starting. */
const UNKNOWN_METHOD_MS = 60_000;

/** Why a replay failed: it decides which count of the job grows. */
type Blame =
  /** The job: it counts towards `maxFailures`. */
  | 'job'
  /** An outage: it counts towards `maxReplays` only. */
  | 'outage'
  /** The call never left this process: the replay does not count at all. */
  | 'not-begun';

/** Replays jobs that were taken, each to its end: completed, put back, or buried. */
export class JobRunner {
  readonly #settings: DrainerSettings;
  readonly #isReady: () => boolean;
  readonly #steps: ClockSteps;
  readonly #unknown = new Set<string>();

  constructor(settings: DrainerSettings, isReady: () => boolean, steps: ClockSteps) {
    this.#settings = settings;
    this.#isReady = isReady;
    this.#steps = steps;
  }

  /** Finds where to replay the job. Undefined where it is not replayed now: then it was buried, or put back for later. */
  async targetOf(job: DeferredJob): Promise<DrainedMethod | undefined> {
    const { queue, methods, clock } = this.#settings;
    const target = methods.get(job.method);
    if (job.expiresAtMs + this.#steps.since(job.acceptedAtMs) <= clock.epochMs())
      await this.#bury(job, target === undefined ? `expired: no client for ${job.method}` : 'expired');
    else if (target === undefined) {
      this.#reportUnknown(job.method);
      await queue.putBack(job, UNKNOWN_METHOD_MS);
    } else if (this.#isSpent(job)) await this.#bury(job, countsOf(job));
    else return target;
    return undefined;
  }

  /** @throws the errors of the queue: the job is then replayed after its lease, or after a restart */
  async run(job: DeferredJob, { client, method }: DrainedMethod): Promise<void> {
    const { queue, callTimeoutMs } = this.#settings;
    const begun = { ...job, replays: job.replays + 1 };
    try {
      await queue.save(begun); // saved before the replay begins: if the replay ends this process, it was counted
    } catch (error) {
      await queue.putBack(job, this.#pauseAfter(job));
      throw error;
    }
    let result: DeferredResult;
    try {
      result = await replay(client, method, begun, callTimeoutMs);
    } catch (error) {
      if (isHopeless(error)) return this.#bury({ ...begun, failures: begun.failures + 1 }, textOf(error));
      return this.#failed(begun, error, wasTried(error) ? 'job' : 'not-begun');
    }
    try {
      await this.#handOn(result);
    } catch (error) {
      return this.#failed(begun, error, isRejected(error) ? 'outage' : 'job'); // never hopeless: the model has accepted the request
    }
    await queue.complete(begun);
  }

  /** An `onResult` that hangs must not hold its place, and with it the drainer, for ever. */
  #handOn(result: DeferredResult): Promise<void> {
    const { clock, resultTimeoutMs, onResult } = this.#settings;
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`onResult took longer than ${resultTimeoutMs} ms`));
      const stopTimer = clock.setTimer(late, resultTimeoutMs);
      const handing = (async () => onResult(result))();
      handing.finally(stopTimer).then(resolve, reject);
    });
  }

  async #failed(begun: DeferredJob, error: unknown, cause: Blame): Promise<void> {
    // A failure during an outage is not the job's fault.
    const blame = cause === 'job' && !this.#isReady() ? 'outage' : cause;
    const job = counted(begun, blame);
    if (this.#isSpent(job)) return this.#bury(job, `${countsOf(job)}, the last: ${textOf(error)}`);
    await this.#settings.queue.putBack(job, this.#pauseAfter(job));
  }

  #isSpent(job: DeferredJob): boolean {
    const { maxFailures, maxReplays } = this.#settings;
    return failuresOf(job) >= maxFailures || job.replays >= maxReplays;
  }

  #pauseAfter(job: DeferredJob): number {
    return Math.min(LONGEST_RETRY_MS, this.#settings.retryMs * 2 ** Math.max(0, failuresOf(job) - 1));
  }

  async #bury(job: DeferredJob, reason: string): Promise<void> {
    await this.#settings.queue.bury(job, reason);
    const { onDead, warnings } = this.#settings;
    warnings.watch(() => onDead(job, reason), 'onDead of the drainer');
  }

  #reportUnknown(method: string): void {
    if (this.#unknown.has(method)) return;
    this.#unknown.add(method);
    this.#settings.onError(
      new Error(`no client for ${method}: its jobs are put back, and expire in the end`),
    );
  }
}

function counted(begun: DeferredJob, blame: Blame): DeferredJob {
  if (blame === 'job') return { ...begun, failures: begun.failures + 1 };
  if (blame === 'outage') return { ...begun, excused: begun.excused + 1 };
  return { ...begun, replays: begun.replays - 1 };
}

/** The failed replays, including those during which the process died. */
function failuresOf(job: DeferredJob): number {
  return job.failures + unfinished(job);
}

function countsOf(job: DeferredJob): string {
  const lost = unfinished(job);
  const deaths = lost === 0 ? '' : `, ${lost} of them cut short by the end of the process`;
  return `${job.replays} replays, ${failuresOf(job)} failed${deaths}`;
}
