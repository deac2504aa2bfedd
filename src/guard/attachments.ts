import { type ClientOptions, InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { GuardedCall } from '../call/guarded-call.js';
import { isGuardedBy } from '../call/guarded-mark.js';
import { withoutNotes } from '../call/message-bytes.js';
import type { MethodGuard } from '../call/method-guard.js';
import { checkFunction, checkTarget } from '../checks.js';
import { invalid } from '../errors.js';
import { checkCallOptions } from './call-options.js';
import { guardedOptions } from './client-options.js';
import type { GuardCore } from './guard-core.js';

/** How many methods an interceptor keeps; bounded, because a method's name may be a caller's text. */
const MOST_METHODS = 1000;

/** Attaches a guard to clients of grpc-js: its interceptors, and the options of guarded clients. */
export class Attachments {
  /** The interceptor for clients without a target. */
  readonly interceptor: Interceptor;
  readonly #core: GuardCore;
  /** The interceptors that this guard has made. */
  readonly #own = new WeakSet<Interceptor>();

  constructor(core: GuardCore) {
    this.#core = core;
    this.interceptor = this.forTarget('');
  }

  forTarget(target: string): Interceptor {
    checkTarget('forTarget(target)', target);
    const core = this.#core;
    let methods = new Map<string, MethodGuard | undefined>();
    let { settings } = core;
    const server = core.recoveries.targetOf(target);
    const interceptor: Interceptor = (options, nextCall) => {
      const { path } = options.method_definition;
      if (settings !== core.settings || methods.size >= MOST_METHODS) {
        settings = core.settings;
        methods = new Map();
      }
      let guard = methods.get(path);
      if (guard === undefined && !methods.has(path)) {
        guard = core.method(target, path, server.connection);
        methods.set(path, guard);
        core.recoveries.met(withoutNotes(options.method_definition));
      }
      const callOptions = options.failsoft === undefined ? undefined : checkCallOptions(options.failsoft);
      const passes = core.isClosed || callOptions?.bypass === true;
      if (guard === undefined || passes || isGuardedBy(options, core))
        return new InterceptingCall(nextCall(options));
      return new GuardedCall(guard, options, nextCall, callOptions);
    };
    this.#own.add(interceptor);
    return interceptor;
  }

  clientOptions(options: ClientOptions = {}, target = ''): ClientOptions {
    if (typeof options !== 'object' || options === null)
      throw invalid('clientOptions(options)', 'an object', options);
    checkLists(options);
    return guardedOptions(options, {
      interceptor: target === '' ? this.interceptor : this.forTarget(target),
      isOwn: (candidate) => this.#own.has(candidate),
      openMs: this.#core.settings.openMs,
      show: this.#core.recoveries.shown(target),
      mark: this.#core.mark,
      chainOf: (path) => this.#core.fallbacks?.chainFor(path),
    });
  }
}

/** Checks the lists here, because grpc-js would fail only at the first call, with an error that does not name the option. */
function checkLists(options: ClientOptions): void {
  for (const name of ['interceptors', 'interceptor_providers'] as const) {
    const list: unknown = options[name];
    const areFunctions = Array.isArray(list) && list.every((each) => typeof each === 'function');
    if (list !== undefined && !areFunctions)
      throw invalid(`clientOptions(options).${name}`, 'an array of functions', list);
  }
  const transformer: unknown = options.callInvocationTransformer;
  if (transformer !== undefined)
    checkFunction('clientOptions(options).callInvocationTransformer', transformer);
}
