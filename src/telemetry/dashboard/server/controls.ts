import type { IncomingMessage } from 'node:http';
import type { Circuit, CircuitMode, IsolationHandle } from '../../../circuit/types.js';
import type { Guard } from '../../../guard/guard-options.js';
import type { ControlOptions } from '../options.js';
import { hasToken, mayChange } from './request-check.js';

/** The result of a change: a status of HTTP and a sentence. */
export interface ControlResult {
  readonly status: number;
  readonly text: string;
}

const MODES: readonly CircuitMode[] = ['enforce', 'observe', 'off'];
const result = (status: number, text: string): ControlResult => ({ status, text });

/**
 * Changes circuits for visitors with the token. The action and its arguments are in the query: a body would have to be parsed, and a
 * framework may have read it already.
 */
export class Controls {
  readonly #guard: Guard;
  readonly #options: ControlOptions;
  readonly #onError: (error: unknown) => void;
  readonly #handles = new Map<string, IsolationHandle>();

  /** @param onError called with the errors of actions; must not throw */
  constructor(guard: Guard, options: ControlOptions, onError: (error: unknown) => void) {
    this.#guard = guard;
    this.#options = options;
    this.#onError = onError;
  }

  async handle(request: IncomingMessage, query: URLSearchParams): Promise<ControlResult> {
    if (!mayChange(request)) return result(403, 'changes are accepted from this page alone');
    if (!hasToken(request, this.#options.token)) return result(401, 'the token is missing or wrong');
    const action = query.get('action');
    if (action === 'check') return result(200, 'the token is right');
    if (action === 'run') return this.#run(Number(query.get('index') || Number.NaN));
    const circuitKey = query.get('circuit') ?? '';
    const circuit = this.#find(circuitKey);
    if (circuit === undefined) return result(404, 'there is no such circuit');
    if (action === 'isolate') return this.#isolate(circuitKey, circuit);
    if (action === 'release') return this.#release(circuitKey, circuit);
    if (action === 'mode') return this.#setMode(circuit, query.get('mode'));
    return result(400, 'action: expected check, isolate, release, mode or run');
  }

  /** Releases the circuits that visitors have isolated. */
  close(): void {
    for (const handle of this.#handles.values()) handle.release();
    this.#handles.clear();
  }

  /** Finds a circuit without making it: `circuit()` would make a circuit for any key. */
  #find(circuitKey: string): Circuit | undefined {
    if (this.#guard.settingsOf(circuitKey) !== undefined) return this.#guard.circuit(circuitKey);
    return this.#guard.secondaries().find((each) => each.circuitKey === circuitKey)?.circuit;
  }

  #isolate(circuitKey: string, circuit: Circuit): ControlResult {
    if (this.#handles.has(circuitKey)) return result(200, 'the circuit is isolated already');
    this.#handles.set(circuitKey, circuit.isolate());
    return result(200, 'isolated: every call is rejected');
  }

  #release(circuitKey: string, circuit: Circuit): ControlResult {
    const handle = this.#handles.get(circuitKey);
    if (handle === undefined)
      return result(
        409,
        'the circuit was not isolated on this page; the program that isolated it must release it',
      );
    handle.release();
    this.#handles.delete(circuitKey);
    return circuit.isolated > 0
      ? result(200, 'released on this page; the program still isolates it')
      : result(200, 'released');
  }

  #setMode(circuit: Circuit, mode: string | null): ControlResult {
    const known = MODES.find((name) => name === mode);
    if (known === undefined) return result(400, `mode: expected one of ${MODES.join(', ')}`);
    circuit.mode = known;
    return result(200, `the mode is now ${known}`);
  }

  async #run(index: number): Promise<ControlResult> {
    const action = this.#options.actions?.[index];
    if (action === undefined) return result(404, 'there is no such action');
    try {
      await action.run();
      return result(200, 'done');
    } catch (error) {
      this.#onError(error);
      return result(500, 'the action failed; the program has reported the error');
    }
  }
}
