import { checkBoolean, checkInteger, checkKeys, checkNumber, checkOneOf } from '../checks.js';
import { defaults } from '../circuit/index.js';
import { type CircuitOptions, PRIORITIES, type Priority, type TripRule } from '../circuit/types.js';
import { Classifier } from '../classify/classifier.js';
import type { Engine } from '../engines/engine.js';
import { invalid } from '../errors.js';
import { DEFAULT_KEY, type KeyPart, perMethod } from '../key/key-by.js';
import { type RecoverySettings, resolveRecovery } from '../recovery/options.js';
import { Warnings } from '../telemetry/warnings.js';
import type { CircuitSetup, LineOptions } from './line-options.js';
import { compileMatch, type Matcher, SPECIFICITY } from './match.js';
import { METHOD_KEYS, type MethodOptions, type MethodRule } from './method-options.js';
import { DEFAULT_RESERVE, fixedReserve, type Reserve } from './reserve.js';
import { type SoftDeadline, softDeadline } from './soft-deadline.js';
import { isUnguarded } from './unguarded.js';

/** The settings of one method, checked and filled in. */
export interface MethodSettings extends LineOptions {
  readonly guarded: boolean;
  readonly classifier: Classifier;
  /** Undefined if neither readiness checks nor synthetic probes are made. */
  readonly recovery: RecoverySettings | undefined;
  readonly keyPart: KeyPart;
  readonly priority: Priority;
  /** For unary calls, in milliseconds; Infinity for no deadline. */
  readonly defaultDeadlineMs: number;
  /** For all other calls, in milliseconds; Infinity for no deadline. */
  readonly streamDeadlineMs: number;
  /**
   * The least time that a server must have been given for a time-out to be evidence, in milliseconds.
   * @param usualMs the usual duration of the circuit's calls
   */
  minimumDeadlineOf(usualMs: number): number;
  readonly fallbackReserve: Reserve;
  /** Undefined without `fallbackAfterMs`. */
  readonly softDeadline: SoftDeadline | undefined;
  readonly firstMessageTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly abandonedAfterMs: number;
  readonly fallbackBufferBytes: number;
  readonly holdHeaders: boolean;
}

/** More failures in a row than a model's circuit admits, so that a single bad model opens its own circuit and not the parent. */
const PARENT_TRIP: readonly TripRule[] = [{ rule: 'consecutive-failures', failures: 10 }];
/** For an engine that does not count failures in a row. */
const PARENT_TRIP_BY_RATE: readonly TripRule[] = [{ rule: 'failure-rate', threshold: 0.9, minimumCalls: 20 }];

/** How many methods' settings are kept; bounded, because a method's name may be a caller's text. */
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
   * @param warnings reports the errors of users' functions
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT or FAILSOFT_UNSUPPORTED, naming the option
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
    if (!Array.isArray(rules)) throw invalid('options.methods', 'an array of settings', rules);
    this.#rules = rules.map((rule, index) => {
      const field = `options.methods[${index}]`;
      checkKeys(field, rule, ['match', ...METHOD_KEYS]);
      return { rule, matcher: compileMatch(rule.match, `${field}.match`), field };
    });
    this.#resolve(general, 'options', SPECIFICITY.none, '');
    for (const { rule, field } of this.#rules) {
      this.#resolve(merge(general, rule), field, SPECIFICITY.method, '');
    }
    for (const { matcher } of this.#rules) for (const path of matcher.paths) this.for(path);
  }

  /** The first open time of circuits to which no rule applies, in milliseconds. */
  get openMs(): number {
    return this.#general.circuit?.open?.baseMs ?? defaults.open.baseMs;
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
      if (options[name] !== undefined) checkBoolean(`${field}.${name}`, options[name]);
    }
    const { keyBy = DEFAULT_KEY, classify = {} } = options;
    if (typeof keyBy?.forMethod !== 'function') {
      throw invalid(`${field}.keyBy`, 'perMethod(), perModel() or perKey(fn)', keyBy);
    }
    const partOfKey = keyBy.forMethod(path, (error, source) => this.#warnings.report(error, source));
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
      recovery: resolveRecovery(
        options.recovery,
        `${field}.recovery`,
        { name: this.#engine.name, canMove: this.#engine.capabilities.recovery },
        (error) => this.#warnings.report(error, `readiness check of ${path}`),
      ),
      keyPart: partOfKey,
      priority: checkOneOf(`${field}.priority`, options.priority ?? 'normal', PRIORITIES),
      defaultDeadlineMs,
      streamDeadlineMs: deadline(`${field}.defaultDeadlineMs`, streamDeadlineMs),
      minimumDeadlineOf: followsUsual ? (usualMs) => Math.max(fixedMinimumMs, usualMs) : () => fixedMinimumMs,
      fallbackReserve:
        options.fallbackReserveMs === undefined ? DEFAULT_RESERVE : fixedReserve(ms('fallbackReserveMs', 0)),
      softDeadline: softDeadline(`${field}.fallbackAfterMs`, options.fallbackAfterMs),
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

/** grpc-js sends a deadline with at most eight digits of hours, and throws if it is further away. */
const LONGEST_DEADLINE_MS = 99_999_999 * 3_600_000;

function deadline(field: string, value: unknown): number {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (typeof value !== 'number' || !(value >= 1 && value <= LONGEST_DEADLINE_MS))
    throw invalid(field, `a number from 1 to ${LONGEST_DEADLINE_MS}, or Infinity for none`, value);
  return value;
}

/** The general settings, overridden by the specific ones. `circuit` and `recovery` are merged option by option. */
function merge(general: MethodOptions, specific: MethodOptions): MethodOptions {
  const { match: _match, ...own } = specific as Partial<MethodRule>;
  const merged: MethodOptions = { ...general, ...defined(own) };
  const { circuit, recovery } = general;
  return {
    ...merged,
    ...(circuit && own.circuit && { circuit: { ...circuit, ...defined(own.circuit) } }),
    ...(recovery && own.recovery && { recovery: { ...recovery, ...defined(own.recovery) } }),
  };
}

/** The options that are set. An undefined option leaves the more general setting. */
function defined<T extends object>(options: T): Partial<T> {
  const set: Partial<T> = { ...options };
  for (const key in set) if (set[key] === undefined) delete set[key];
  return set;
}
