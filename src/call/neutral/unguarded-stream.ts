import type { Warnings } from '../../telemetry/warnings.js';
import { leaveLate } from '../iterators.js';
import type { GuardCallOptions } from './call-types.js';
import type { StreamRunner } from './guarded-stream.js';
import { PrimaryRun, type RunCall } from './primary-run.js';
import type { NextStream, StreamSource } from './stream-run.js';
import { errorOfUnguarded } from './unary.js';

/** A stream that is not guarded: only the deadline and the signal are enforced. */
export class UnguardedStream<Req, Res> implements StreamRunner<Res> {
  readonly #run: PrimaryRun<Req>;
  readonly #next: NextStream<Req, Res>;
  readonly #options: GuardCallOptions;
  readonly #warnings: Warnings;

  constructor(
    call: RunCall,
    request: Req,
    next: NextStream<Req, Res>,
    options: GuardCallOptions,
    warnings: Warnings,
  ) {
    this.#run = new PrimaryRun(call, request, options.signal);
    this.#next = next;
    this.#options = options;
    this.#warnings = warnings;
  }

  get source(): StreamSource {
    return { provenance: this.#run.provenance, label: undefined };
  }

  leave(): void {
    this.#run.interrupt({ by: 'left' });
  }

  async *messages(): AsyncGenerator<Res, void, undefined> {
    let iterator: AsyncIterator<Res> | undefined;
    try {
      const begun = await this.#run.wait(() => this.#next(this.#run));
      if (begun.by === 'left') return;
      if (begun.by !== 'value') throw errorOfUnguarded(begun, this.#options, this.#warnings);
      const messages = begun.value[Symbol.asyncIterator]();
      iterator = messages;
      while (true) {
        const ended = await this.#run.wait(() => messages.next());
        if (ended.by === 'left') return;
        if (ended.by !== 'value') throw errorOfUnguarded(ended, this.#options, this.#warnings);
        if (ended.value.done === true) return;
        yield ended.value.value;
      }
    } finally {
      this.#run.release();
      this.#run.interrupt({ by: 'left' });
      if (iterator !== undefined) leaveLate(iterator);
    }
  }
}
