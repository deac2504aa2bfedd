import type { Circuit, ExecuteOptions, Rejection } from '../circuit/types.js';
import { FailsoftError, invalid, isFailsoftError } from '../errors.js';
import { splitKey } from '../key/circuit-key.js';
import { executeCall } from './execute-call.js';
import type { GuardControls } from './guard-controls.js';
import type { GuardCore } from './guard-core.js';
import type { Guard } from './guard-options.js';

/** `guard.execute()`: runs work under the circuit of a name; if the settings of the name need more, as a call of any transport. */
export class NamedWork {
  readonly #core: GuardCore;
  readonly #controls: Pick<GuardControls, 'circuit'>;
  readonly #calls: Pick<Guard, 'call'>;

  constructor(core: GuardCore, controls: Pick<GuardControls, 'circuit'>, calls: Pick<Guard, 'call'>) {
    this.#core = core;
    this.#controls = controls;
    this.#calls = calls;
  }

  async execute<T>(
    name: string,
    fn: (signal: AbortSignal) => T | Promise<T>,
    options?: ExecuteOptions,
  ): Promise<T> {
    if (this.#core.isClosed) throw new FailsoftError('FAILSOFT_CLOSED', 'the guard is closed');
    if (typeof name !== 'string') throw invalid('execute.name', 'a string', name);
    const { target, method, part } = splitKey(name);
    if (!this.#hasCircuitOnly(method)) {
      const key = part === '' ? {} : { key: part };
      return executeCall(this.#calls, method, fn, { target, ...key }, options);
    }
    const circuit = this.#controls.circuit(name);
    if (!this.#core.events.hasListeners('rejected') || typeof fn !== 'function')
      return circuit.execute(fn, options);
    const work = new NotedWork(fn);
    try {
      return await circuit.execute(work.fn, options);
    } catch (error) {
      if (!work.hasRun) this.#reportIfRejected(circuit, error);
      throw error;
    }
  }

  #hasCircuitOnly(path: string): boolean {
    const { parent, defaultDeadlineMs, guarded, priority } = this.#core.settings.for(path);
    const isBounded = parent !== undefined || defaultDeadlineMs < Number.POSITIVE_INFINITY;
    const chain = this.#core.fallbacks?.chainFor(path);
    return guarded && !isBounded && priority === 'normal' && chain === undefined;
  }

  #reportIfRejected({ key: circuitKey }: Circuit, error: unknown): void {
    if (!isFailsoftError(error) || error.code !== 'FAILSOFT_REJECTED') return;
    const { events, clock } = this.#core;
    if (!isRejection(error.cause)) return;
    const { reason, retryAfterMs } = error.cause;
    const { method } = splitKey(circuitKey);
    events.emit('rejected', { method, circuitKey, reason, retryAfterMs, atMs: clock.epochMs() });
  }
}

/** A function that notes that it runs. Its circuit has then admitted it, and a rejection that it throws is another circuit's. */
class NotedWork<T> {
  hasRun = false;
  readonly fn: (signal: AbortSignal) => T | Promise<T>;

  constructor(fn: (signal: AbortSignal) => T | Promise<T>) {
    const run = (...args: [signal: AbortSignal]) => {
      this.hasRun = true;
      return fn(...args);
    };
    // as many parameters as before: a circuit makes a signal only for a function that declares one
    this.fn = fn.length === 0 ? run : (signal) => run(signal);
  }
}

function isRejection(value: unknown): value is Rejection {
  return typeof value === 'object' && value !== null && 'admitted' in value && value.admitted === false;
}
