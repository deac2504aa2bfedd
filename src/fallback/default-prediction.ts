import { checkKeys } from '../checks.js';
import { FailsoftError } from '../errors.js';
import { type OnWarning, Warnings } from '../telemetry/warnings.js';
import { isThenable } from '../thenable.js';
import { decodeKept, encodeAnswer, recode } from './messages.js';
import type { Answer, FallbackContext, FallbackStrategy, Method, When } from './strategy.js';

/** Options of {@link defaultPrediction}. */
export interface DefaultPredictionOptions<Req> {
  /** The causes that it serves. @default 'always' */
  readonly when?: When;
  /** A request with which a function with parameters is tried out at registration. @default it is not tried out */
  readonly sample?: Req;
}

/** A message, or a function that makes it from the request. */
export type DefaultValue<Req, Res> =
  | Res
  | ((request: Req, context: FallbackContext<Req>) => Res | PromiseLike<Res>);

/**
 * A prediction that is always available, with source `default`.
 *
 * A value is encoded once, at registration, and decoded for each answer. So a default that is no message of the method is an
 * error at start-up, and a caller that changes its answer changes no other answer. A function without parameters, or with a
 * `sample`, is tried out at registration; its answers are encoded and decoded each time. If the tried function returns a
 * promise, its failure comes too late for an error, and is a warning (`FailsoftWarning`, and the event `warning`).
 * @throws from `register`: FailsoftError FAILSOFT_INVALID_ARGUMENT naming the method
 */
export function defaultPrediction<Req, Res extends object>(
  value: DefaultValue<Req, Res>,
  options: DefaultPredictionOptions<Req> = {},
): FallbackStrategy<Req, Res> {
  checkKeys('defaultPrediction', options, ['when', 'sample']);
  return isMaker(value) ? new MadeDefault(value, options) : new FixedDefault(value, options.when ?? 'always');
}

class FixedDefault<Req, Res> implements FallbackStrategy<Req, Res> {
  readonly name = 'default';
  readonly waits = false;
  readonly decoded = true;
  readonly readsCall = false;
  readonly when: When;
  enabled = true;
  readonly #value: Res;
  readonly #encoded = new Map<string, () => Res>();

  constructor(value: Res, when: When) {
    this.#value = value;
    this.when = when;
  }

  bind(method: Method<Req, Res>): void {
    const bytes = encoded(method, this.#value);
    this.#encoded.set(method.path, () => decodeKept(method, bytes));
  }

  answer(context: FallbackContext<Req>): Answer<Res> | undefined {
    const decode = this.#encoded.get(context.method);
    return decode === undefined ? undefined : { message: decode(), source: 'default' };
  }
}

class MadeDefault<Req, Res> implements FallbackStrategy<Req, Res> {
  readonly name = 'default';
  readonly when: When;
  enabled = true;
  readonly #make: Maker<Req, Res>;
  readonly #warnings = new Warnings();
  readonly #options: DefaultPredictionOptions<Req>;

  constructor(make: Maker<Req, Res>, options: DefaultPredictionOptions<Req>) {
    this.#make = make;
    this.#options = options;
    this.when = options.when ?? 'always';
  }

  bind(method: Method<Req, Res>): void {
    const { sample } = this.#options;
    const parameters = this.#make.length;
    if (parameters > (sample === undefined ? 0 : 1)) return; // it can only be called with a call's request
    tryOut(method, () => Reflect.apply(this.#make, undefined, [sample]), this.#warnings);
  }

  reportWarnings(report: OnWarning): void {
    this.#warnings.follow(report);
  }

  answer(context: FallbackContext<Req>): Answer<Res> | PromiseLike<Answer<Res>> {
    const made = this.#make(context.request, context);
    return isThenable(made) ? made.then(labelled) : labelled(made);
  }
}

type Maker<Req, Res> = (request: Req, context: FallbackContext<Req>) => Res | PromiseLike<Res>;

function isMaker<Req, Res>(value: DefaultValue<Req, Res>): value is Maker<Req, Res> {
  return typeof value === 'function';
}

function labelled<Res>(message: Res): Answer<Res> {
  return { message, source: 'default' };
}

function encoded<Req, Res>(method: Method<Req, Res>, value: Res): Buffer {
  try {
    const bytes = encodeAnswer(method, value);
    method.responseDeserialize(bytes);
    return bytes;
  } catch (error) {
    throw unusable(method, error);
  }
}

function tryOut<Req, Res>(method: Method<Req, Res>, make: () => unknown, warnings: Warnings): void {
  try {
    const value = make();
    if (isThenable(value)) {
      value
        .then((message) => recode(method, message))
        .then(undefined, (error: unknown) =>
          warnings.report(unusable(method, error), `the default for ${method.path}`),
        );
    } else recode(method, value);
  } catch (error) {
    throw unusable(method, error);
  }
}

function unusable<Req, Res>(method: Method<Req, Res>, cause: unknown): FailsoftError {
  const why = cause instanceof Error ? cause.message : String(cause);
  // generated encoders read every field of the message, and throw a TypeError for a missing field
  const hint = cause instanceof TypeError ? ' (is a field of the message missing?)' : '';
  return new FailsoftError(
    'FAILSOFT_INVALID_ARGUMENT',
    `defaultPrediction: the default for ${method.path} cannot be encoded as its response: ${why}${hint}`,
    { cause },
  );
}
