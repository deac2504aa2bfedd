import type { CallOptions } from '@grpc/grpc-js';
import { checkFunction, checkKeys } from '../checks.js';
import type { Circuit } from '../circuit/types.js';
import { type Clock, systemClock } from '../clock.js';
import { invalid } from '../errors.js';
import type { CircuitListener, StoreEvent } from '../telemetry/events.js';
import type { OnWarning } from '../telemetry/warnings.js';
import { CallContext } from './chain/call-context.js';
import { decodeKept, encodeAnswer } from './messages.js';
import { REQUEST_KEY_OPTIONS, RequestKey, type RequestKeyOptions } from './request-key/request-key.js';
import type {
  Answer,
  Answering,
  Attempt,
  AttemptScope,
  FallbackContext,
  FallbackStrategy,
  Method,
  PrimaryAnswer,
  When,
} from './strategy.js';

/** Options of {@link coalesce}. Two calls are identical by the same rules as for `lastGood`. */
export interface CoalesceOptions<Req> extends RequestKeyOptions<Req> {
  /** For the time that a shared question has left. @default systemClock */
  readonly clock?: Clock;
}

/**
 * Asks a strategy once for all identical calls of a caller that fall back at the same time: a thousand calls for a popular item
 * become a single question to the secondary, or to the store.
 *
 * When a caller cancels or its deadline passes, the other callers still get the answer; the question is aborted when the last
 * caller has left. Each caller gets a copy of the answer. The question has the metadata of the first caller, without its
 * `parent`, and twice the time that the first caller has left. A caller with more time than the question has left asks a new
 * question. An answer that the strategy gives at once is not shared. For unary methods.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function coalesce<Req, Res>(
  strategy: FallbackStrategy<Req, Res>,
  options: CoalesceOptions<Req> = {},
): FallbackStrategy<Req, Res> {
  checkKeys('coalesce', options, [...REQUEST_KEY_OPTIONS, 'clock']);
  const { clock = systemClock } = options;
  checkFunction('coalesce.clock.now', clock.now);
  return new Coalesced(strategy, new RequestKey(options, 'coalesce'), clock);
}

class Coalesced<Req, Res> implements FallbackStrategy<Req, Res> {
  readonly name: string;
  readonly when: When;
  readonly timeoutMs: number;
  readonly budgetShare: number;
  readonly waits?: boolean;
  readonly stops?: boolean;
  readonly decoded?: boolean;
  readonly readsCall: boolean;
  readonly keep?: (answer: PrimaryAnswer<Req, Res>) => void;
  readonly #strategy: FallbackStrategy<Req, Res>;
  readonly #key: RequestKey;
  readonly #clock: Clock;
  readonly #methods = new Map<string, Method<Req, Res>>();
  readonly #questions = new Map<string, Question<Req, Res>>();

  constructor(strategy: FallbackStrategy<Req, Res>, key: RequestKey, clock: Clock) {
    this.#strategy = strategy;
    this.#key = key;
    this.#clock = clock;
    this.name = strategy.name;
    this.when = strategy.when ?? 'always';
    this.timeoutMs = strategy.timeoutMs ?? Number.POSITIVE_INFINITY;
    this.budgetShare = strategy.budgetShare ?? 1;
    if (strategy.waits !== undefined) this.waits = strategy.waits;
    if (strategy.stops !== undefined) this.stops = strategy.stops;
    // A shared answer is decoded for each caller; another answer is passed on as the strategy gave it.
    if (strategy.decoded !== undefined) this.decoded = strategy.decoded;
    this.readsCall = this.#shares || strategy.readsCall !== false;
    if (strategy.keep !== undefined) this.keep = (answer) => strategy.keep?.(answer);
  }

  /** A strategy that always answers at once shares nothing, and needs no key. */
  get #shares(): boolean {
    return this.#strategy.waits !== false && this.#strategy.stops !== true;
  }

  get enabled(): boolean {
    return this.#strategy.enabled !== false;
  }
  set enabled(enabled: boolean) {
    this.#strategy.enabled = enabled;
  }

  bind(method: Method<Req, Res>): void {
    if (method.requestStream || method.responseStream)
      throw invalid(`coalesce for ${method.path}`, 'a unary method', 'a streaming one');
    this.#strategy.bind?.(method);
    this.#key.bind(method);
    this.#methods.set(method.path, method);
  }

  reportStore(report: (event: StoreEvent) => void): void {
    this.#strategy.reportStore?.(report);
  }

  get circuit(): Circuit | undefined {
    return this.#strategy.circuit;
  }

  reportCircuit(listener: CircuitListener): void {
    this.#strategy.reportCircuit?.(listener);
  }

  reportWarnings(report: OnWarning): void {
    this.#strategy.reportWarnings?.(report);
  }

  answer(context: FallbackContext<Req>): Answering<Res> {
    if (!this.#shares) return this.#strategy.answer(context);
    const method = this.#methods.get(context.method);
    if (method === undefined) return undefined;
    const material = this.#key.materialOf(context);
    const key = this.#key.keyOf(material, (asSent) => this.#questions.has(asSent));
    const asked = this.#questions.get(key);
    if (asked?.reaches(context)) return asked.join(context);
    const question = new Question(method, context, this.#clock);
    const given = this.#strategy.answer(new CallContext(context, question));
    if (given === undefined || !('then' in given)) return given;
    this.#questions.set(key, question);
    question.awaits(given, () => {
      if (this.#questions.get(key) === question) this.#questions.delete(key);
    });
    return question.join(context);
  }

  close(): void | Promise<void> {
    return this.#strategy.close?.();
  }
}

/** A question that several callers share: the scope in which the strategy is asked, and the callers that wait for its answer. */
class Question<Req, Res> implements AttemptScope {
  readonly attempts: readonly Attempt[];
  readonly parent: CallOptions['parent'] | undefined = undefined;
  readonly deadlineMs: number;
  readonly #method: Method<Req, Res>;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  readonly #startMs: number;
  readonly #longestMs: number;
  readonly #longestBudgetMs: number;
  #waiting = 0;
  #settled = false;
  #answer: Promise<Shared | undefined> = Promise.resolve(undefined);
  #forget: () => void = () => undefined;

  constructor(method: Method<Req, Res>, first: FallbackContext<Req>, clock: Clock) {
    this.#method = method;
    this.#clock = clock;
    this.#startMs = clock.now();
    this.attempts = first.attempts;
    this.deadlineMs = first.deadlineMs + first.remainingMs;
    this.#longestMs = 2 * first.remainingMs;
    this.#longestBudgetMs = 2 * first.budgetMs;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }
  get remainingMs(): number {
    return this.#leftOf(this.#longestMs);
  }
  get budgetMs(): number {
    return this.#leftOf(this.#longestBudgetMs);
  }

  #leftOf(longestMs: number): number {
    return Math.max(0, longestMs - (this.#clock.now() - this.#startMs));
  }

  /** Whether the question has at least as much time as this caller. */
  reaches(context: FallbackContext<Req>): boolean {
    return !this.#controller.signal.aborted && context.budgetMs <= this.budgetMs;
  }

  awaits(given: PromiseLike<Answer<Res> | undefined>, forget: () => void): void {
    this.#forget = forget;
    this.#answer = Promise.resolve(given).then((answer) => answer && share(this.#method, answer));
    const settle = () => {
      this.#settled = true;
      forget();
    };
    this.#answer.then(settle, settle);
  }

  async join(context: FallbackContext<Req>): Promise<Answer<Res> | undefined> {
    this.#waiting++;
    const { signal } = context;
    let leave = () => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(signal.reason);
    });
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    try {
      const shared = await Promise.race([this.#answer, left]);
      if (shared === undefined) return undefined;
      return { ...shared.label, message: decodeKept(this.#method, shared.bytes) };
    } finally {
      signal.removeEventListener('abort', leave);
      // The secondary gets the reason of the last caller: a deadline is evidence against it, a cancellation is not.
      if (--this.#waiting === 0 && !this.#settled) {
        this.#forget();
        this.#controller.abort(signal.reason);
      }
    }
  }
}

interface Shared {
  readonly label: Omit<Answer<never>, 'message'>;
  readonly bytes: Buffer;
}

function share(method: Method<unknown, unknown>, answer: Answer<unknown>): Shared {
  const { message, ...label } = answer;
  return { label, bytes: encodeAnswer(method, message) };
}
