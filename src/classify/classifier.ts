import { type Metadata, status } from '@grpc/grpc-js';
import { checkFunction, checkKeys, checkOneOf } from '../checks.js';
import { invalid } from '../errors.js';
import { cut } from '../text.js';
import { CALLER_RULES, LOCAL_RULES, PROXY_RULES } from './common-rules.js';
import { OUTCOMES, type Outcome } from './outcome.js';
import { presets } from './presets.js';
import type { ClassifyOptions, ClassifyRule, FinishedCall } from './rule.js';

/** The outcome of each code if no rule matches and no option overrides it. Any other code is a `failure`, like UNKNOWN. */
export const DEFAULT_TABLE: Readonly<Record<status, Outcome>> = Object.freeze({
  [status.OK]: 'success',
  [status.CANCELLED]: 'failure', // by the server: a caller's own cancellation is ignored before this table is read
  [status.UNKNOWN]: 'failure',
  [status.INVALID_ARGUMENT]: 'caller-error',
  [status.DEADLINE_EXCEEDED]: 'failure',
  [status.NOT_FOUND]: 'caller-error',
  [status.ALREADY_EXISTS]: 'caller-error',
  [status.PERMISSION_DENIED]: 'caller-error',
  [status.RESOURCE_EXHAUSTED]: 'overload',
  [status.FAILED_PRECONDITION]: 'caller-error',
  [status.ABORTED]: 'caller-error',
  [status.OUT_OF_RANGE]: 'caller-error',
  [status.UNIMPLEMENTED]: 'caller-error',
  [status.INTERNAL]: 'failure',
  [status.UNAVAILABLE]: 'failure',
  [status.DATA_LOSS]: 'failure',
  [status.UNAUTHENTICATED]: 'caller-error',
});

const CODES = Object.keys(DEFAULT_TABLE).map(Number);

/** Rules get only this many UTF-16 units of the details: a server's text may be long, and a rule's expression slow. */
const LONGEST_DETAILS = 1_024;

/** A checked, compiled {@link ClassifyOptions}. */
export class Classifier {
  /** Whether every status OK is a success: then only its code is read. */
  readonly okIsSuccess: boolean;
  readonly #table: readonly Outcome[];
  readonly #rules: readonly (readonly ClassifyRule[] | undefined)[];
  readonly #classifyMessage: ((message: unknown) => Outcome | undefined) | undefined;
  readonly #onError: (error: unknown) => void;

  /** @param onError called with the error that a user's function threw; the outcome is then decided without that function */
  constructor(options: ClassifyOptions, field: string, onError: (error: unknown) => void) {
    if (typeof options === 'string') {
      const name = Object.hasOwn(presets, options) ? options : 'triton';
      throw invalid(field, `an object such as presets.${name}`, options);
    }
    checkKeys(field, options, ['table', 'rules', 'classifyMessage']);
    this.#table = compileTable(options.table, `${field}.table`);
    this.#rules = compileRules(options.rules ?? [], `${field}.rules`);
    this.okIsSuccess = this.#rules[status.OK] === undefined && this.#table[status.OK] === 'success';
    if (options.classifyMessage !== undefined)
      checkFunction(`${field}.classifyMessage`, options.classifyMessage);
    this.#classifyMessage = options.classifyMessage;
    this.#onError = onError;
  }

  /** Whether `classifyMessage` was given. If not, the caller need not pass messages. */
  get seesMessages(): boolean {
    return this.#classifyMessage !== undefined;
  }

  classify(code: status, fullDetails: string, metadata: Metadata, durationMs: number): Outcome {
    const rules = this.#rules[code];
    if (rules !== undefined) {
      const details = cut(fullDetails, LONGEST_DETAILS);
      for (const rule of rules) {
        if (rule.details !== undefined && !rule.details.test(details)) continue;
        if (rule.when === undefined || this.#applies(rule.when, { code, details, metadata, durationMs }))
          return rule.outcome;
      }
    }
    return this.#table[code] ?? 'failure';
  }

  classifyMessage(message: unknown): Outcome | undefined {
    try {
      const outcome = this.#classifyMessage?.(message);
      return outcome === undefined || OUTCOMES.includes(outcome)
        ? outcome
        : this.#report(invalid('classifyMessage', `undefined or one of ${OUTCOMES.join(', ')}`, outcome));
    } catch (error) {
      return this.#report(error);
    }
  }

  #applies(when: (call: FinishedCall) => boolean, call: FinishedCall): boolean {
    try {
      return when(call);
    } catch (error) {
      this.#onError(error);
      return false;
    }
  }

  #report(error: unknown): undefined {
    this.#onError(error);
  }
}

function compileTable(overrides: ClassifyOptions['table'], field: string): readonly Outcome[] {
  const table: Outcome[] = CODES.map((code) => DEFAULT_TABLE[code as status]);
  if (overrides === undefined) return table;
  checkKeys(field, overrides, CODES.map(String));
  for (const code of CODES) {
    const outcome = overrides[code as status];
    if (outcome !== undefined) table[code] = checkOneOf(`${field}.${status[code]}`, outcome, OUTCOMES);
  }
  return table;
}

function compileRules(
  rules: readonly ClassifyRule[],
  field: string,
): readonly (readonly ClassifyRule[] | undefined)[] {
  if (!Array.isArray(rules)) throw invalid(field, 'an array of rules', rules);
  const byCode: ClassifyRule[][] = [];
  for (const [index, rule] of rules.entries()) {
    const at = `${field}[${index}]`;
    checkKeys(at, rule, ['code', 'details', 'when', 'outcome']);
    if (!CODES.includes(rule.code)) throw invalid(`${at}.code`, 'a gRPC status code', rule.code);
    if (rule.details !== undefined && !(rule.details instanceof RegExp)) {
      throw invalid(`${at}.details`, 'a regular expression', rule.details);
    }
    if (rule.details?.global || rule.details?.sticky) {
      throw invalid(
        `${at}.details`,
        'a regular expression without the flags g and y, which make a match depend on the one before',
        rule.details,
      );
    }
    if (rule.when !== undefined) checkFunction(`${at}.when`, rule.when);
    checkOneOf(`${at}.outcome`, rule.outcome, OUTCOMES);
    const list = byCode[rule.code] ?? [];
    list.push({ ...rule });
    byCode[rule.code] = list;
  }
  for (const rule of [...LOCAL_RULES, ...CALLER_RULES, ...PROXY_RULES]) {
    if (!rules.includes(rule)) byCode[rule.code] = [...(byCode[rule.code] ?? []), rule];
  }
  return byCode;
}
