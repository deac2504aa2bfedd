import { checkBoolean, checkFunction, checkKeys } from '../../checks.js';
import type { FailsoftCallOptions } from '../../guard/call-options.js';
import type { Guard } from '../../guard/guard-options.js';
import { provenanceMemory } from '../../status/provenance.js';
import { nameOfRequest } from '../http/asked.js';
import { compileRoutes, type Routes } from '../http/route.js';
import { describe } from './described.js';
import { type ClassifyResponse, FetchCall, type FetchSettings } from './fetch-call.js';

/** Options of {@link guardedFetch}. */
export interface GuardedFetchOptions {
  /**
   * The routes that have circuits of their own: path templates, or a function that returns a template. A raw URL never names a
   * circuit. A URL without a route has the circuit of its origin and HTTP method. @default none
   */
  readonly routes?: Routes;
  /**
   * Judges a response, for errors that a server sends with a good status. It may be async, and read the body of `response.clone()`,
   * which then is in memory. Returns an outcome, or undefined where the status is to decide. An error that it throws is reported,
   * and counts as undefined. @default the status decides
   */
  readonly classifyResponse?: ClassifyResponse;
  /**
   * Whether the body of a `Request` object is read before it is sent, for keys and fallbacks. Bodies that are strings, bytes or
   * URLSearchParams are always known. @default false
   */
  readonly readRequests?: boolean;
  /** The fetch that makes the real requests. @default the global fetch, looked up for each request */
  readonly fetch?: typeof globalThis.fetch;
  /**
   * Your statement that no code behind the guard sends other values of the headers that `vary` of `lastGood` names: neither the option
   * `fetch` nor the interceptors of an undici dispatcher. The guard cannot see what such code sends. So without this statement
   * `lastGood` keeps an answer only with `vary: []`, and warns. Set it to false if your program replaces the global fetch, or gives
   * the global dispatcher, or that of a `Request` object, interceptors that change these headers.
   * @default true with the global fetch, for requests without the option `dispatcher`; otherwise false
   */
  readonly sendsAsGiven?: boolean;
}

type Init = RequestInit & { readonly failsoft?: FailsoftCallOptions };

/** A `fetch` whose second argument may have options of failsoft for the call. */
export type GuardedFetch = (
  input: string | URL | Request,
  init?: RequestInit & { readonly failsoft?: FailsoftCallOptions },
) => Promise<Response>;

const OPTIONS = ['routes', 'classifyResponse', 'readRequests', 'fetch', 'sendsAsGiven'];

/**
 * Makes a `fetch` under a guard: a circuit per origin, HTTP method and route, outcomes from the HTTP status and from the end of the
 * body, `Retry-After` as push-back, fallbacks as labelled responses. `provenanceOf(response)` gives the source of a response.
 *
 * Its promises reject as fetch's do, and with FailsoftError FAILSOFT_REJECTED, which `circuitRejectionOf(error)` reads, where
 * a circuit rejected the request and no fallback answered.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, naming the option
 * @example const openai = new OpenAI({ fetch: guardedFetch(guard, { routes: ['/v1/chat/completions'] }) });
 */
export function guardedFetch(guard: Pick<Guard, 'begin'>, options: GuardedFetchOptions = {}): GuardedFetch {
  checkFunction('guardedFetch.guard.begin', guard?.begin);
  checkKeys('guardedFetch.options', options, OPTIONS);
  const { routes, classifyResponse, readRequests = false, fetch, sendsAsGiven } = options;
  if (classifyResponse !== undefined)
    checkFunction('guardedFetch.options.classifyResponse', classifyResponse);
  if (fetch !== undefined) checkFunction('guardedFetch.options.fetch', fetch);
  checkBoolean('guardedFetch.options.readRequests', readRequests);
  if (sendsAsGiven !== undefined) checkBoolean('guardedFetch.options.sendsAsGiven', sendsAsGiven);
  const nameOf = compileRoutes(routes, 'guardedFetch.options.routes');
  const settings: FetchSettings = { classifyResponse, memory: provenanceMemory() };

  return async (input, init = {}) => {
    const { failsoft, ...plain } = whole(init ?? {});
    if (isReadOnce(plain.headers)) plain.headers = [...plain.headers];
    const real = fetch ?? globalThis.fetch;
    const body = readRequests ? await bodyOf(input, plain) : undefined;
    const asked = describe(input, plain, body);
    if (asked === undefined || asked.signal?.aborted === true) return real(input, plain);
    const { name, error } = nameOfRequest(nameOf, asked);
    const { request, metadata } = asked;
    const call = guard.begin({ path: name }, request, { ...failsoft, metadata });
    if (call === undefined) return real(input, plain);
    if (error !== undefined) call.report(error.thrown, 'routes of guardedFetch()');
    const isAlone = fetch === undefined && !('dispatcher' in plain);
    return new FetchCall(call, asked, settings, sendsAsGiven ?? isAlone).run((signal) =>
      real(input, { ...plain, signal }),
    );
  };
}

/** The options that a `Request` in the place of options has: they are getters of its class, which a spread leaves out. */
const OF_REQUESTS = [
  ...['method', 'headers', 'body', 'mode', 'credentials', 'cache', 'redirect', 'referrer', 'referrerPolicy'],
  ...['integrity', 'keepalive', 'signal', 'duplex'],
] as const;

function whole(init: Init): Init {
  if (!(init instanceof Request)) return init;
  const options: Init = {};
  for (const name of OF_REQUESTS) {
    const value: unknown = Reflect.get(init, name);
    if (value !== undefined && value !== null) Reflect.set(options, name, value);
  }
  return options;
}

/** Whether headers are an iterator, which fetch takes as well. The guard would read it to its end, and fetch would send none. */
function isReadOnce(headers: unknown): headers is Iterable<[string, string]> {
  if (typeof headers !== 'object' || headers === null) return false;
  return Symbol.iterator in headers && !Array.isArray(headers) && !(headers instanceof Headers);
}

async function bodyOf(input: string | URL | Request, init: RequestInit): Promise<Uint8Array | undefined> {
  if (init.body !== undefined || typeof input === 'string' || !('clone' in input)) return undefined;
  if (input.body === null || input.bodyUsed) return undefined;
  return new Uint8Array(await input.clone().arrayBuffer());
}
