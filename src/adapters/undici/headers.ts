import type { Dispatcher } from 'undici';

/** Headers of a response as undici gives them. */
export type UndiciHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** The headers of a request in one of undici's forms, as pairs. */
export function requestHeaders(headers: Dispatcher.DispatchOptions['headers']): [string, string][] {
  if (headers === undefined || headers === null) return [];
  if (Array.isArray(headers)) return flatPairs(headers);
  if (isIterable(headers)) return pairs(headers);
  return pairs(Object.entries(headers));
}

/**
 * The options with headers that can be read twice: the guard has read a generator of headers to its end, and undici would send none.
 * @param headers the headers of the options, as pairs
 */
export function withHeaders(
  options: Dispatcher.DispatchOptions,
  headers: readonly [string, string][],
): Dispatcher.DispatchOptions {
  const given = options.headers;
  const isReadOnce = given !== undefined && given !== null && !Array.isArray(given) && isIterable(given);
  return isReadOnce ? { ...options, headers: headers.flat() } : options;
}

/** The headers of a response, in the form that the shared parts of the HTTP adapters read. */
export class ResponseHeaders {
  readonly #given: UndiciHeaders;

  constructor(given: UndiciHeaders) {
    this.#given = given;
  }

  /** @param name in lower case */
  get(name: string): string | null {
    const value = this.#given[name];
    return Array.isArray(value) ? value.join(', ') : (value ?? null);
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return pairs(Object.entries(this.#given)).values();
  }
}

/** Headers as undici has them before it parses them: name, value, name, value. */
export function rawHeaders(headers: Readonly<Record<string, string>>): Buffer[] {
  return Object.entries(headers)
    .flat()
    .map((text) => Buffer.from(text, 'latin1'));
}

/** undici 8 takes numbers, too. */
type Value = string | number | readonly string[] | undefined;

function pairs(entries: Iterable<readonly [string, Value]>): [string, string][] {
  const all: [string, string][] = [];
  for (const [name, value] of entries) {
    if (value === undefined) continue;
    for (const each of typeof value === 'object' ? value : [value]) all.push([name, String(each)]);
  }
  return all;
}

function flatPairs(flat: readonly (string | readonly string[])[]): [string, string][] {
  const entries: [string, Value][] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) entries.push([String(flat[at]), flat[at + 1]]);
  return pairs(entries);
}

function isIterable(headers: object): headers is Iterable<[string, Value]> {
  return Symbol.iterator in headers;
}
