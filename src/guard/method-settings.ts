import { checkInteger, checkKeys, checkNumber } from '../checks.js';
import type { CircuitOptions, TripRule } from '../circuit/types.js';
import { Classifier } from '../classify/classifier.js';
import type { ClassifyOptions } from '../classify/rule.js';
import type { Engine } from '../engines/engine.js';
import { invalid } from '../errors.js';
import { type KeyBy, type KeyPart, perMethod } from '../key/key-by.js';
import { Warnings } from '../telemetry/warnings.js';
import type { CircuitSetup, LineOptions } from './line-options.js';
import { compileMatch, type Match, type Matcher, SPECIFICITY } from './match.js';
import { isUnguarded } from './unguarded.js';

/** Settings of methods: for all methods of a guard, or in a rule for some of them. */
export interface MethodOptions {
  /**
   * `false`: calls of the method are not guarded. Health, reflection and load-report services are not guarded unless a rule
   * names them, as methods or as services. Questions about health and metadata of services that predict (in the Open Inference
   * Protocol: ServerLive, ServerReady, ServerMetadata, ModelReady and ModelMetadata) are not guarded unless a rule names the
   * method.
   * @default true
   */
  readonly guard?: boolean;
  /** Merged field by field with the less specific settings. */
  readonly circuit?: CircuitOptions;
  /**
   * A circuit for the method as a whole, above the circuits of its models: a dead server trips once, not once per
   * model. It counts UNAVAILABLE and DEADLINE_EXCEEDED as failures. `true`: trips on 10 consecutive failures (a failure
   * rate of 0.9 over 20 calls where the engine cannot count in a row, its own rule where it takes no other), the rest
   * as in `circuit`. Without key parts, as with `perMethod()`, there are no circuits below it, and no parent.
   * @default false
   */
  readonly parentCircuit?: boolean | CircuitOptions;
  /** Classifies statuses and messages. @default DEFAULT_TABLE */
  readonly classify?: ClassifyOptions;
  /** Chooses the circuit of a call. @default perMethod() */
  readonly keyBy?: KeyBy;
  /**
   * The deadline of calls without a deadline, in milliseconds; `Infinity` for no deadline. A stream may be healthy for hours:
   * it has this deadline only where the rule with this option names its method.
   * @default Infinity
   */
  readonly defaultDeadlineMs?: number;
  /**
   * A DEADLINE_EXCEEDED of a call whose server was given less than this, in milliseconds, is `ignored`: it is no evidence
   * against the server. The time of `fallbackReserveMs` is not given to the server.
   * @default the usual duration of the circuit's calls (a moving median of its successes), but at least 10, or
   * `defaultDeadlineMs` where that is less
   */
  readonly minimumDeadlineMs?: number;
  /**
   * The part of the caller's deadline that is reserved for fallbacks, in milliseconds, at most half of it. The primary has
   * the rest. A response stream has the shorter time for its first message only, and its whole deadline from there on. Without
   * effect where no fallback is registered. @default 0
   */
  readonly fallbackReserveMs?: number;
  /** Ends a response stream whose first message takes longer (DEADLINE_EXCEEDED). @default none */
  readonly firstMessageTimeoutMs?: number;
  /** Ends a response stream that pauses longer while the caller is reading (DEADLINE_EXCEEDED). @default none */
  readonly stallTimeoutMs?: number;
  /**
   * Idle limit, in milliseconds. After this long without a read, a write or an incoming message, a stream's permit is released
   * with outcome `ignored`; the call goes on. A caller that has sent everything and waits for the server's message is not idle.
   * A fallback's stream that is not read for this long is ended. A client stream that failed or was rejected must end within
   * this time; otherwise its caller gets the error in place of a fallback's answer.
   * @default 60000
   */
  readonly abandonedAfterMs?: number;
  /** Most bytes of a client stream that are kept for its fallback. @default 1048576 */
  readonly fallbackBufferBytes?: number;
  /**
   * Whether the server's headers are held back until the first message or the status, where a fallback may still answer.
   * `false`: they are passed on at once, for callers that wait for headers before they send. A fallback's headers are then a
   * second `'metadata'` event.
   * @default true
   */
  readonly holdHeaders?: boolean;
}

/** Settings for some methods. */
export interface MethodRule extends MethodOptions {
  /** The methods that the rule is for. */
  readonly match: Match;
}

/** The settings of one method, checked and filled in. */
export interface MethodSettings extends LineOptions {
  readonly guarded: boolean;
  readonly classifier: Classifier;
  readonly keyPart: KeyPart;
  /** For calls with one message in each direction. */
  readonly defaultDeadlineMs: number;
  /** For all other calls. */
  readonly streamDeadlineMs: number;
  /**
   * The least time that a server must have been given for a time-out to be evidence, in milliseconds.
   * @param usualMs the usual duration of the circuit's calls
   */
  minimumDeadlineOf(usualMs: number): number;
  readonly fallbackReserveMs: number;
  readonly firstMessageTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly abandonedAfterMs: number;
  readonly fallbackBufferBytes: number;
  readonly holdHeaders: boolean;
}

const METHOD_KEYS: readonly (keyof MethodOptions)[] = [
  'guard',
  'circuit',
  'parentCircuit',
  'classify',
  'keyBy',
  'defaultDeadlineMs',
  'minimumDeadlineMs',
  'fallbackReserveMs',
  'firstMessageTimeoutMs',
  'stallTimeoutMs',
  'abandonedAfterMs',
  'fallbackBufferBytes',
  'holdHeaders',
];

export const METHOD_OPTION_KEYS: readonly string[] = METHOD_KEYS;

/** More failures in a row than a model's circuit admits, so that one bad model opens its own circuit and not the parent. */
const PARENT_TRIP: readonly TripRule[] = [{ rule: 'consecutive-failures', failures: 10 }];
/** For an engine that cannot count in a row. */
const PARENT_TRIP_BY_RATE: readonly TripRule[] = [{ rule: 'failure-rate', threshold: 0.9, minimumCalls: 20 }];

/** So many methods' settings are remembered: a method's name may be a caller's text. */
const MOST_REMEMBERED = 1000;
/** The key part of `perMethod()`. */
const METHOD_ITSELF = perMethod().forMethod('');

/** Finds the settings of a method. The constructor checks all options that can be checked without a call. */
export class SettingsResolver {
  readonly #engine: Engine;
  readonly #general: MethodOptions;
  readonly #rules: readonly { rule: MethodRule; matcher: Matcher; field: string }[];
  readonly #warnings: Warnings;
  readonly #known = new Map<string, MethodSettings>();

  /**
   * @param warnings gets the errors of the user's functions
   * @throws FailsoftError naming the option
   */
  constructor(
    engine: Engine,
    general: MethodOptions,
    rules: readonly MethodRule[],
    warnings = new Warnings(),
  ) {
    this.#engine = engine;
    this.#warnings = warnings;
    this.#general = general;
    if (!Array.isArray(rules)) throw invalid('methods', 'an array of settings', rules);
    this.#rules = rules.map((rule, index) => {
      const field = `methods[${index}]`;
      checkKeys(field, rule, ['match', ...METHOD_KEYS]);
      return { rule, matcher: compileMatch(rule.match, `${field}.match`), field };
    });
    this.#resolve(general, 'options', SPECIFICITY.none, '');
    for (const { rule, field } of this.#rules) {
      this.#resolve(merge(general, rule), field, SPECIFICITY.method, '');
    }
    for (const { matcher } of this.#rules) for (const path of matcher.paths) this.for(path);
  }

  for(path: string): MethodSettings {
    let settings = this.#known.get(path);
    if (settings === undefined) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined && this.#known.size >= MOST_REMEMBERED) this.#known.delete(oldest);
      settings = this.#find(path);
      this.#known.set(path, settings);
    }
    return settings;
  }

  #find(path: string): MethodSettings {
    const rated = this.#rules
      .map((rule, index) => ({ ...rule, index, rating: rule.matcher.rate(path) }))
      .filter(({ rating }) => rating > SPECIFICITY.none)
      .sort((a, b) => a.rating - b.rating || b.index - a.index); // the last wins: the most specific, then the first listed
    const options = rated.reduce<MethodOptions>((sum, { rule }) => merge(sum, rule), this.#general);
    const best = rated.at(-1);
    const named = rated.filter(
      ({ rating, rule }) => rating === SPECIFICITY.method && 'defaultDeadlineMs' in defined(rule),
    );
    const streamDeadlineMs = named.at(-1)?.rule.defaultDeadlineMs;
    return this.#resolve(
      options,
      best?.field ?? 'options',
      best?.rating ?? SPECIFICITY.none,
      path,
      streamDeadlineMs,
    );
  }

  #resolve(
    options: MethodOptions,
    field: string,
    rating: number,
    path: string,
    streamDeadlineMs?: number,
  ): MethodSettings {
    const ms = (name: keyof MethodOptions, fallback: number, min = 0) =>
      options[name] === undefined ? fallback : checkNumber(`${field}.${name}`, options[name], min);
    for (const name of ['guard', 'holdHeaders'] as const) {
      const value = options[name];
      if (value !== undefined && typeof value !== 'boolean')
        throw invalid(`${field}.${name}`, 'a boolean', value);
    }
    const { keyBy = perMethod(), classify = {} } = options;
    if (typeof keyBy?.forMethod !== 'function') {
      throw invalid(`${field}.keyBy`, 'perMethod(), perModel() or perKey(fn)', keyBy);
    }
    const partOfKey = keyBy.forMethod(path);
    const parent = this.#parent(options, `${field}.parentCircuit`);
    const defaultDeadlineMs = deadline(`${field}.defaultDeadlineMs`, options.defaultDeadlineMs);
    const fixedMinimumMs = ms('minimumDeadlineMs', Math.min(10, defaultDeadlineMs));
    const followsUsual = options.minimumDeadlineMs === undefined;
    return {
      guarded: options.guard !== false && !isUnguarded(path, rating),
      circuit: this.#setup(options.circuit, `${field}.circuit`),
      parent: partOfKey === METHOD_ITSELF ? undefined : parent,
      classifier: new Classifier(classify, `${field}.classify`, (error) =>
        this.#warnings.report(error, `classify of ${path}`),
      ),
      keyPart: partOfKey,
      defaultDeadlineMs,
      streamDeadlineMs: deadline(`${field}.defaultDeadlineMs`, streamDeadlineMs),
      minimumDeadlineOf: followsUsual ? (usualMs) => Math.max(fixedMinimumMs, usualMs) : () => fixedMinimumMs,
      fallbackReserveMs: ms('fallbackReserveMs', 0),
      firstMessageTimeoutMs: ms('firstMessageTimeoutMs', Number.POSITIVE_INFINITY, 1),
      stallTimeoutMs: ms('stallTimeoutMs', Number.POSITIVE_INFINITY, 1),
      abandonedAfterMs: ms('abandonedAfterMs', 60_000, 1),
      fallbackBufferBytes:
        options.fallbackBufferBytes === undefined
          ? 1_048_576
          : checkInteger(`${field}.fallbackBufferBytes`, options.fallbackBufferBytes, 0),
      holdHeaders: options.holdHeaders ?? true,
    };
  }

  #setup(options: CircuitOptions | undefined, field: string): CircuitSetup {
    return { field, options: options ?? {}, make: this.#engine.configure(options, field) };
  }

  #parent({ parentCircuit, circuit }: MethodOptions, field: string): CircuitSetup | undefined {
    if (parentCircuit === undefined || parentCircuit === false) return undefined;
    if (parentCircuit !== true) return this.#setup(parentCircuit, field);
    const { tripRules } = this.#engine.capabilities;
    if (tripRules.has('consecutive-failures')) return this.#setup({ ...circuit, trip: PARENT_TRIP }, field);
    if (tripRules.has('failure-rate')) return this.#setup({ ...circuit, trip: PARENT_TRIP_BY_RATE }, field);
    return this.#setup(circuit, field);
  }
}

/** grpc-js sends a deadline in at most eight digits of hours, and throws where it is farther away. */
const LONGEST_DEADLINE_MS = 99_999_999 * 3_600_000;

function deadline(field: string, value: unknown): number {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (typeof value !== 'number' || !(value >= 1 && value <= LONGEST_DEADLINE_MS))
    throw invalid(field, `a number from 1 to ${LONGEST_DEADLINE_MS}, or Infinity for none`, value);
  return value;
}

/** The specific settings over the general ones; circuits are merged option by option. */
function merge(general: MethodOptions, specific: MethodOptions): MethodOptions {
  const { match: _match, ...own } = specific as Partial<MethodRule>;
  const merged: MethodOptions = { ...general, ...defined(own) };
  if (general.circuit === undefined || own.circuit === undefined) return merged;
  return { ...merged, circuit: { ...general.circuit, ...defined(own.circuit) } };
}

/** The options that are set. An undefined option leaves the more general setting. */
function defined<T extends object>(options: T): Partial<T> {
  const set: Partial<T> = { ...options };
  for (const key in set) if (set[key] === undefined) delete set[key];
  return set;
}
