import type { CallCredentials, CallOptions, Metadata } from '@grpc/grpc-js';
import { checkKeys } from '../checks.js';
import type { CircuitSnapshot } from '../circuit/types.js';
import { invalid } from '../errors.js';
import { decodeKept, encodeAnswer } from './messages.js';
import { REQUEST_KEY_OPTIONS, RequestKey, type RequestKeyOptions } from './request-key/request-key.js';
import type {
  Answer,
  Answering,
  Attempt,
  Cause,
  FallbackContext,
  FallbackStrategy,
  Method,
  PrimaryAnswer,
  When,
} from './strategy.js';

/** How calls are told apart; as for `lastGood`. */
export type CoalesceOptions<Req> = RequestKeyOptions<Req>;

/**
 * Asks a strategy once for all identical calls of one caller that fall back at the same time: a thousand callers of a
 * popular item put one question to the secondary, or to the store.
 *
 * A caller that cancels, or runs out of time, leaves alone; the question is aborted when the last one has left. Each gets
 * a copy of its own. The question goes with the metadata of the first, without its `parent`, and with twice what it has
 * left of its time; who has more than what is left of that asks anew. What the strategy answers at once is not shared. Unary methods.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function coalesce<Req, Res>(
  strategy: FallbackStrategy<Req, Res>,
  options: CoalesceOptions<Req> = {},
): FallbackStrategy<Req, Res> {
  checkKeys('coalesce', options, REQUEST_KEY_OPTIONS);
  return new Coalesced(strategy, new RequestKey(options, 'coalesce'));
}

class Coalesced<Req, Res> implements FallbackStrategy<Req, Res> {
  readonly name: string;
  readonly when: When;
  readonly timeoutMs: number;
  readonly budgetShare: number;
  readonly waits?: boolean;
  readonly decoded?: boolean;
  readonly keep?: (answer: PrimaryAnswer<Req, Res>) => void;
  readonly #strategy: FallbackStrategy<Req, Res>;
  readonly #key: RequestKey;
  readonly #methods = new Map<string, Method<Req, Res>>();
  readonly #questions = new Map<string, Question<Req, Res>>();

  constructor(strategy: FallbackStrategy<Req, Res>, key: RequestKey) {
    this.#strategy = strategy;
    this.#key = key;
    this.name = strategy.name;
    this.when = strategy.when ?? 'always';
    this.timeoutMs = strategy.timeoutMs ?? Number.POSITIVE_INFINITY;
    this.budgetShare = strategy.budgetShare ?? 1;
    if (strategy.waits !== undefined) this.waits = strategy.waits;
    // What is not shared comes as the strategy gave it; what is shared is decoded for each.
    if (strategy.decoded !== undefined) this.decoded = strategy.decoded;
    if (strategy.keep !== undefined) this.keep = (answer) => strategy.keep?.(answer);
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

  answer(context: FallbackContext<Req>): Answering<Res> {
    const method = this.#methods.get(context.method);
    if (method === undefined) return undefined;
    const material = this.#key.materialOf(context);
    const key = this.#key.keyOf(material, (asSent) => this.#questions.has(asSent));
    const asked = this.#questions.get(key);
    if (asked?.reaches(context)) return asked.join(context);
    const question = new Question(method, context);
    const given = this.#strategy.answer(question);
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

/** One question for many callers: the context that the strategy sees, and who waits for its answer. */
class Question<Req, Res> implements FallbackContext<Req> {
  readonly method: string;
  readonly metadata: Metadata;
  readonly cause: Cause;
  readonly circuitKey: string;
  readonly attempts: readonly Attempt[];
  readonly credentials: CallCredentials | undefined;
  readonly host: string | undefined;
  readonly parent: CallOptions['parent'] | undefined = undefined;
  readonly deadlineMs: number;
  readonly #first: FallbackContext<Req>;
  readonly #of: Method<Req, Res>;
  readonly #controller = new AbortController();
  readonly #longestMs: number;
  readonly #startMs = Date.now();
  #waiting = 0;
  #settled = false;
  #answer: Promise<Shared | undefined> = Promise.resolve(undefined);
  #forget: () => void = () => undefined;

  constructor(method: Method<Req, Res>, first: FallbackContext<Req>) {
    this.#of = method;
    this.#first = first;
    this.method = first.method;
    this.metadata = first.metadata;
    this.cause = first.cause;
    this.circuitKey = first.circuitKey;
    this.attempts = first.attempts;
    this.credentials = first.credentials;
    this.host = first.host;
    this.deadlineMs = first.deadlineMs + first.remainingMs;
    this.#longestMs = 2 * first.budgetMs;
  }

  get request(): Req {
    return this.#first.request;
  }
  get requestBytes(): Buffer | undefined {
    return this.#first.requestBytes;
  }
  get requests(): readonly Req[] {
    return this.#first.requests;
  }
  get circuit(): CircuitSnapshot {
    return this.#first.circuit;
  }
  get signal(): AbortSignal {
    return this.#controller.signal;
  }
  get remainingMs(): number {
    return Math.max(0, this.deadlineMs - Date.now());
  }
  get budgetMs(): number {
    return Math.max(0, this.#longestMs - (Date.now() - this.#startMs));
  }

  /** Whether the question lives as long as this caller would wait. */
  reaches(context: FallbackContext<Req>): boolean {
    return !this.#controller.signal.aborted && context.budgetMs <= this.budgetMs;
  }

  awaits(given: PromiseLike<Answer<Res> | undefined>, forget: () => void): void {
    this.#forget = forget;
    this.#answer = Promise.resolve(given).then((answer) => answer && share(this.#of, answer));
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
      return { ...shared.label, message: decodeKept(this.#of, shared.bytes) };
    } finally {
      signal.removeEventListener('abort', leave);
      // The last to leave tells the strategy why: out of time is a sign against it, cancelled is none.
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
