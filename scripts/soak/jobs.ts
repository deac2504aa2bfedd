import type { DeferredQueue } from '../../src/index.js';
import type { Ledger } from './ledger.js';

/**
 * What callers were promised. Only the jobs that are open are kept: a job whose prediction comes before its acknowledgement
 * has come to the caller is remembered until then.
 */
export class Jobs {
  readonly #name: string;
  readonly #ledger: Ledger;
  readonly #promised = new Map<string, string>();
  readonly #early = new Set<string>();

  constructor(name: string, ledger: Ledger) {
    this.#name = name;
    this.#ledger = ledger;
  }

  /** A caller got the acknowledgement of a job for its text. */
  acknowledged(id: string, text: string): void {
    this.#ledger.add('jobs acknowledged');
    this.#ledger.add(`jobs acknowledged, ${this.#name}`);
    if (!this.#early.delete(id)) this.#promised.set(id, text);
  }

  /** A job was predicted. */
  predicted(id: string, text: string, answer: string): void {
    this.#ledger.add('jobs replayed');
    if (text !== answer) this.#ledger.fail(`${this.#name}: job ${id} asked ${text}, got ${answer}`);
    const promised = this.#promised.get(id);
    if (promised === undefined) this.#remember(id);
    else if (promised !== text)
      this.#ledger.fail(`${this.#name}: job ${id} was promised for ${promised}, and replayed as ${text}`);
    this.#promised.delete(id);
  }

  get open(): number {
    return this.#promised.size;
  }

  /** Takes off the jobs that the queue gave up, each with its reason; what is left is lost. */
  async settle(queue: DeferredQueue): Promise<void> {
    for (const { job, reason } of await queue.dead(100_000)) {
      this.#ledger.add('jobs dead');
      if (reason !== '') this.#promised.delete(job.id);
    }
    this.#ledger.add('jobs lost', this.#promised.size);
    if (this.#promised.size === 0) return;
    const { waiting, active } = await queue.counts();
    const [id] = this.#promised.keys();
    this.#ledger.fail(
      `${this.#name}: ${this.#promised.size} acknowledged jobs are lost, ${id} first (the queue has ${waiting} waiting, ${active} active)`,
    );
  }

  /** An acknowledgement arrives within moments: of jobs whose caller never got one, the oldest are forgotten. */
  #remember(id: string): void {
    this.#early.add(id);
    if (this.#early.size <= 10_000) return;
    for (const oldest of this.#early) {
      this.#early.delete(oldest);
      return;
    }
  }
}
