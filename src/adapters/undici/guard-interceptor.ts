import type { Dispatcher } from 'undici';
import { checkBoolean, checkFunction, checkKeys } from '../../checks.js';
import { invalid } from '../../errors.js';
import type { FailsoftCallOptions } from '../../guard/call-options.js';
import type { Guard } from '../../guard/guard-options.js';
import { type Asked, askedOf, nameOfRequest } from '../http/asked.js';
import { compileRoutes, type Routes } from '../http/route.js';
import { DispatchCall, type DispatchSettings } from './dispatch-call.js';
import { requestHeaders, withHeaders } from './headers.js';
import type { ClassifyHead } from './response-head.js';

/** Options of {@link guardInterceptor}. */
export interface GuardInterceptorOptions {
  /**
   * The routes that have circuits of their own: path templates, or a function that returns a template. A raw URL never names a
   * circuit. A URL without a route has the circuit of its origin and HTTP method. @default none
   */
  readonly routes?: Routes;
  /**
   * Judges the head of a response, for errors that a server marks in a header of a good response. It does not get the body, which is
   * passed on as it comes; `classifyResponse` of `guardedFetch()` does. An error that it throws is reported, and counts as undefined.
   * @default the status decides
   */
  readonly classifyHead?: ClassifyHead;
  /**
   * The origin of requests without an origin, as a `Client` or `Pool` of undici 7 makes them. Those of an `Agent` always have it.
   * @default none: a request without an origin fails
   */
  readonly origin?: string;
  /**
   * Your statement that no code behind the guard sends other values of the headers that `vary` of `lastGood` names: neither the
   * interceptors that are composed before the guard nor the dispatcher. The guard cannot see what such code sends. So without this
   * statement `lastGood` keeps an answer only with `vary: []`, and warns. @default false
   */
  readonly sendsAsGiven?: boolean;
}

/** Options of a request that the interceptor reads, beside undici's own. */
export interface GuardedDispatchOptions {
  /** The options of failsoft for this request. @default none */
  readonly failsoft?: FailsoftCallOptions;
}

const OPTIONS = ['routes', 'classifyHead', 'origin', 'sendsAsGiven'];

/**
 * Makes an undici interceptor with a guard: a circuit per origin, HTTP method and route, outcomes from the HTTP status and
 * from the end of the body, `Retry-After` as push-back, fallbacks as responses with a label in their headers. It works with
 * every way to use a dispatcher: `request`, `stream`, `pipeline`, `fetch`.
 *
 * The interceptor that is composed last is the outermost: put the guard behind `interceptors.retry()`, so that a request counts
 * once. `CONNECT` and upgrades are passed on untouched.
 *
 * A rejected request without a fallback fails with FailsoftError FAILSOFT_REJECTED, which `circuitRejectionOf(error)` reads.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, naming the option
 * @example const agent = new Agent().compose(interceptors.retry(), guardInterceptor(guard, { routes: ['/invocations'] }));
 */
export function guardInterceptor(
  guard: Pick<Guard, 'begin'>,
  options: GuardInterceptorOptions = {},
): Dispatcher.DispatcherComposeInterceptor {
  checkFunction('guardInterceptor.guard.begin', guard?.begin);
  checkKeys('guardInterceptor.options', options, OPTIONS);
  const { routes, classifyHead, origin, sendsAsGiven = false } = options;
  if (classifyHead !== undefined) checkFunction('guardInterceptor.options.classifyHead', classifyHead);
  if (origin !== undefined && !URL.canParse(origin))
    throw invalid('guardInterceptor.options.origin', 'an origin', origin);
  checkBoolean('guardInterceptor.options.sendsAsGiven', sendsAsGiven);
  const settings: DispatchSettings = { classifyHead, sendsAsGiven };
  const nameOf = compileRoutes(routes, 'guardInterceptor.options.routes');

  return (dispatch) => {
    return function failsoftInterceptor(
      request: Dispatcher.DispatchOptions & GuardedDispatchOptions,
      handler,
    ) {
      if (request.method === 'CONNECT' || request.upgrade) return dispatch(request, handler);
      if (typeof handler.onRequestStart !== 'function')
        throw invalid(
          'guardInterceptor',
          'to be composed by compose(), which gives handlers onRequestStart()',
          handler,
        );
      const url = urlOf(request, origin);
      if (url === undefined) return dispatch(request, handler);
      const headers = requestHeaders(request.headers);
      const asked: Asked = askedOf(request.method.toUpperCase(), url, headers, request.body);
      const { name, error } = nameOfRequest(nameOf, asked);
      const { failsoft } = request;
      const call = guard.begin({ path: name }, asked.request, { ...failsoft, metadata: asked.metadata });
      const sent = withHeaders(request, headers);
      if (call === undefined) return dispatch(sent, handler);
      if (error !== undefined) call.report(error.thrown, 'routes of guardInterceptor()');
      return new DispatchCall(call, asked, settings, handler).run(dispatch, sent);
    };
  };
}

/**
 * The URL of a request; undefined for a request that undici itself will refuse.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for a request without an origin
 */
function urlOf(
  { origin, path, query }: Dispatcher.DispatchOptions,
  known: string | undefined,
): URL | undefined {
  const from = origin ?? known;
  if (from === undefined)
    throw invalid('guardInterceptor.options.origin', 'the origin of this Client or Pool', undefined);
  try {
    const url = new URL(path, from);
    for (const [name, value] of Object.entries(query ?? {}))
      for (const each of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(each));
    return url;
  } catch {
    return undefined;
  }
}
