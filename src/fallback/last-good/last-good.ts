import type { Clock } from '../../clock.js';
import { invalid } from '../../errors.js';
import type { StoreEvent } from '../../telemetry/events.js';
import type { StoreReading } from '../../telemetry/store-reading.js';
import { type OnWarning, Warnings } from '../../telemetry/warnings.js';
import type { KeyMaterial } from '../request-key/key-material.js';
import type { RequestKey } from '../request-key/request-key.js';
import { reasonOf } from '../store-reason.js';
import type { Answer, FallbackContext, Method, PrimaryAnswer, When } from '../strategy.js';
import { ageOf, timeOfStored } from './age.js';
import { AnswerCounts, readingOf } from './answer-counts.js';
import { type AnswerStore, StoreLink, type StoreStateEvent } from './answer-store.js';
import { CallerCheck } from './caller-check.js';
import type { KeptAnswer, KeptAnswers } from './kept-answers.js';
import { LongAnswers } from './long-answers.js';
import { isCertainlyLonger } from './message-size.js';
import type { LastGood, LastGoodOptions, LastGoodStats, SkippedAnswers } from './options.js';
import { type PendingAnswer, PendingAnswers } from './pending-answers.js';
import { type LastGoodSettings, settingsOf } from './settings.js';

/**
 * The last good answer to the same request of the same caller, with source `last-good` and its age: `stale-if-error` of RFC
 * 5861. An answer stands in for an error until it is `ttlMs + maxStaleMs` old.
 *
 * Two requests are the same if they have the same circuit key (target, method, key part), the same `host` and the same
 * protobuf bytes, in any order of their maps. Two callers are the same if they have the same `vary` metadata and the same call
 * credentials. **Callers that differ in another way** (a tenant in another header, a channel of its own) must be distinguished
 * by `vary` or `keyOf`, or have a registry of their own.
 *
 * Degraded answers, and answers to other `vary` values than the caller's own, are not kept. Nor is an answer if nothing proves which
 * `vary` values were sent; a warning then tells what to do.
 *
 * For unary methods.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function lastGood<Req, Res>(options: LastGoodOptions<Req, Res> = {}): LastGood<Req, Res> {
  return new KeptLastGood(options);
}

/** A kept answer that is not too old. */
interface YoungAnswer {
  readonly encoded: string;
  readonly ageMs: number;
}

/** The option `response`, for one request. */
type Adapt<Res> = (kept: Res) => Res;

function adaptFor<Req, Res>(respond: (kept: Res, request: Req) => Res, request: Req): Adapt<Res> {
  return (kept) => respond(kept, request);
}

class KeptLastGood<Req, Res> implements LastGood<Req, Res> {
  readonly name = 'last-good';
  readonly when: When;
  readonly decoded: boolean;
  enabled = true;
  readonly waits?: boolean;
  readonly #key: RequestKey;
  readonly #methods = new Map<string, Method<Req, Res>>();
  readonly #longestMs: number;
  readonly #maxMessageBytes: number;
  readonly #respond: ((kept: Res, request: Req) => Res) | undefined;
  readonly #answers: KeptAnswers;
  readonly #pending: PendingAnswers;
  readonly #store: StoreLink | undefined;
  readonly #clock: Clock;
  readonly #long = new LongAnswers();
  readonly #counts = new AnswerCounts();
  readonly #warnings = new Warnings();
  readonly #reports = new Set<(event: StoreEvent) => void>();
  readonly #caller: CallerCheck;

  constructor(options: LastGoodOptions<Req, Res>) {
    const settings = settingsOf(options);
    this.when = settings.when;
    this.#key = settings.key;
    this.#caller = new CallerCheck(settings.key, this.#warnings);
    this.#longestMs = settings.longestMs;
    this.#maxMessageBytes = settings.maxMessageBytes;
    this.#respond = settings.respond;
    this.decoded = settings.respond === undefined;
    this.#answers = settings.answers;
    this.#clock = settings.clock;
    this.#pending = new PendingAnswers((pending) => this.#put(pending), settings.clock);
    if (options.store === undefined) this.waits = false;
    else this.#store = this.#linkTo(options.store, settings, options.onStoreState);
  }

  #linkTo(
    store: AnswerStore,
    { storeTimeoutMs: timeoutMs, maxMessageBytes, clock }: LastGoodSettings<Req, Res>,
    onStoreState: LastGoodOptions<Req, Res>['onStoreState'],
  ): StoreLink {
    const onState = (event: StoreStateEvent) => {
      this.#reportState(event);
      return onStoreState?.(event);
    };
    return new StoreLink({ store, timeoutMs, maxMessageBytes, clock, onState, warnings: this.#warnings });
  }

  bind(method: Method<Req, Res>): void {
    if (method.requestStream || method.responseStream)
      throw invalid(`lastGood for ${method.path}`, 'a unary method', 'a streaming one');
    this.#key.bind(method);
    this.#methods.set(method.path, method);
  }

  reportStore(report: (event: StoreEvent) => void): void {
    this.#reports.add(report);
  }

  reportWarnings(report: OnWarning): void {
    this.#warnings.follow(report);
  }

  #reportState({ state, error, atMs }: StoreStateEvent): void {
    const event = { store: this.name, method: this.#firstMethod, state, reason: reasonOf(error), atMs };
    for (const report of this.#reports) report(event);
  }

  keep(answer: PrimaryAnswer<Req, Res>): void {
    const method = this.#methods.get(answer.method);
    if (method === undefined) return;
    try {
      const reason = this.#reasonToSkip(answer) ?? this.#encode(answer, method);
      if (reason !== undefined) this.#counts.skip(reason);
    } catch {
      this.#counts.failures++; // the call succeeds, though its answer cannot be kept
    }
  }

  #reasonToSkip(answer: PrimaryAnswer<Req, Res>): keyof SkippedAnswers | undefined {
    const wrong = this.#caller.reasonToSkip(answer);
    if (wrong !== undefined) return wrong;
    if (this.#key.isLonger(answer, this.#maxMessageBytes)) return 'tooLong';
    if (this.#isKnownAsLong(answer)) return 'tooLong';
    return this.#pending.hasRoom() ? undefined : 'busy';
  }

  /** Answers are measured only after an answer was too long: most methods never have such an answer. */
  #isKnownAsLong({ response, responseBytes, circuitKey }: PrimaryAnswer<Req, Res>): boolean {
    if (!this.#long.any || responseBytes !== undefined) return false;
    return isCertainlyLonger(response, this.#maxMessageBytes) || this.#long.skips(circuitKey);
  }

  /** Encodes at once, because the caller may change its request and its answer from here on. */
  #encode(answer: PrimaryAnswer<Req, Res>, method: Method<Req, Res>): 'tooLong' | undefined {
    const bytes = answer.responseBytes ?? method.responseSerialize(answer.response);
    if (bytes.length > this.#maxMessageBytes) {
      this.#long.wasLong(answer.circuitKey);
      return 'tooLong';
    }
    this.#long.wasShort(answer.circuitKey);
    const material = this.#key.materialOf(answer);
    this.#pending.add({
      material,
      kept: { encoded: bytes.toString('latin1'), epochMs: this.#clock.epochMs(), clockMs: this.#clock.now() },
      bytes: material.subject.length + bytes.length,
    });
    return undefined;
  }

  answer(context: FallbackContext<Req>): Answer<Res> | undefined | Promise<Answer<Res> | undefined> {
    const method = this.#methods.get(context.method);
    if (method === undefined) return undefined;
    if (this.#key.isLonger(context, this.#maxMessageBytes)) return this.#miss();
    this.#pending.flush();
    const material = this.#key.materialOf(context);
    const pending = this.#pending.find(material);
    const young = this.#ifYoung(pending);
    if (young !== undefined) return this.#give(method, young, this.#adaptFor(context));
    const key = this.#keyOf(material);
    const kept = this.#answers.get(key);
    const answer = this.#ifYoung(kept);
    if (answer !== undefined) return this.#give(method, answer, this.#adaptFor(context));
    if (kept !== undefined) {
      this.#counts.stale++;
      this.#answers.delete(key);
    }
    if (this.#store !== undefined && context.remainingMs > 0)
      return this.#fromStore(this.#store, method, key, this.#adaptFor(context));
    return this.#miss();
  }

  #keyOf(material: KeyMaterial): string {
    return this.#key.keyOf(material, (asSent) => this.#answers.has(asSent));
  }

  /** The answer with its age; undefined if there is none, or if it is too old. */
  #ifYoung(kept: KeptAnswer | undefined): YoungAnswer | undefined {
    if (kept === undefined) return undefined;
    const ageMs = ageOf(kept, this.#clock);
    return ageMs <= this.#longestMs ? { encoded: kept.encoded, ageMs } : undefined;
  }

  /** The option `response` for this request; undefined without the option, for which the request would have to be decoded. */
  #adaptFor(context: FallbackContext<Req>): Adapt<Res> | undefined {
    return this.#respond === undefined ? undefined : adaptFor(this.#respond, context.request);
  }

  #miss(): undefined {
    this.#counts.misses++;
    return undefined;
  }

  /** Waits until every answer of the queue is in memory, and its write to the store has begun. */
  close(): Promise<void> {
    return this.#pending.drain();
  }

  stats(): LastGoodStats {
    this.#pending.flush();
    return this.#counts.stats(this.#answers, this.#pending.size, this.#store?.stats());
  }

  storeReading(): StoreReading {
    return readingOf(this.name, this.#firstMethod, this.stats());
  }

  /** The method that readings and events of the store name: the first, where the strategy serves several. */
  get #firstMethod(): string {
    const [method = ''] = this.#methods.keys();
    return method;
  }

  clear(): void {
    this.#pending.clear();
    this.#answers.clear();
  }

  async #fromStore(
    store: StoreLink,
    method: Method<Req, Res>,
    key: string,
    adapt: Adapt<Res> | undefined,
  ): Promise<Answer<Res> | undefined> {
    const stored = await store.read(key);
    if (stored === undefined) return this.#miss();
    const time = timeOfStored(stored.epochMs, this.#clock);
    const kept = time && { encoded: stored.encoded, ...time };
    const answer = this.#ifYoung(kept);
    if (kept === undefined || answer === undefined) {
      this.#counts.stale++;
      return this.#miss();
    }
    this.#pending.flush();
    const present = this.#ifYoung(this.#answers.get(key)); // an answer may have come while the store was asked
    if (present !== undefined && present.ageMs < answer.ageMs) return this.#give(method, present, adapt);
    this.#answers.put(key, kept);
    return this.#give(method, answer, adapt);
  }

  #give(
    method: Method<Req, Res>,
    { encoded, ageMs }: YoungAnswer,
    adapt: Adapt<Res> | undefined,
  ): Answer<Res> {
    const decoded = method.responseDeserialize(Buffer.from(encoded, 'latin1'));
    const message = adapt === undefined ? decoded : adapt(decoded);
    this.#counts.hits++; // last: where the decoder or `response` throws, the caller gets no answer
    return { message, source: 'last-good', ageMs };
  }

  #put({ material, kept }: PendingAnswer): void {
    try {
      const key = this.#keyOf(material);
      const inMemory = this.#answers.put(key, kept);
      this.#store?.write(key, kept, this.#longestMs);
      if (inMemory || this.#store !== undefined) this.#counts.kept++;
      else this.#counts.failures++;
    } catch {
      this.#counts.failures++; // the method's decoder cannot read the output of its encoder
    }
  }
}
