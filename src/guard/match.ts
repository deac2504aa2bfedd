import { invalid } from '../errors.js';
import { HTTP_NAME, serviceOf } from '../key/circuit-key.js';

/** A method of a service definition, or anything with its path. */
interface HasPath {
  readonly path: string;
}

/**
 * The methods to which a rule applies. One of these, or a list of them:
 *
 * - a method's definition or path (`/package.Service/Method`);
 * - a service's definition or name (`package.Service`);
 * - for HTTP: a request (`POST https://host/route`), or an origin (`https://host`);
 * - a pattern: a string with `*`, or a regular expression, which is matched against the path.
 *
 * Typos in path strings are not detected: such a rule never matches.
 */
export type Match = OneMatch | readonly OneMatch[];
type OneMatch = string | RegExp | HasPath | Readonly<Record<string, HasPath>>;

/** How specific a match is. The most specific rule wins. */
export const SPECIFICITY = { none: 0, pattern: 1, service: 2, method: 3 } as const;

/** A compiled {@link Match}. */
export interface Matcher {
  /** How specifically the match names a path: a value of {@link SPECIFICITY}. */
  rate(path: string): number;
  /** The named paths, whose settings can be checked before the first call. A service's name gives a placeholder path. */
  readonly paths: readonly string[];
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
export function compileMatch(match: Match, field: string): Matcher {
  const matchers = (isList(match) ? match : [match]).map((one) => compileOne(one, field));
  if (matchers.length === 0) throw invalid(field, 'at least one method, service or pattern', match);
  return {
    rate: (path) => Math.max(...matchers.map((matcher) => matcher.rate(path))),
    paths: matchers.flatMap((matcher) => matcher.paths),
  };
}

function isList(match: Match): match is readonly OneMatch[] {
  return Array.isArray(match);
}

function compileOne(match: OneMatch, field: string): Matcher {
  if (match instanceof RegExp) {
    const pattern = new RegExp(match.source, match.flags.replace(/[gy]/g, ''));
    return { rate: (path) => (pattern.test(path) ? SPECIFICITY.pattern : SPECIFICITY.none), paths: [] };
  }
  if (typeof match === 'string') return compileText(match, field);
  if (typeof match === 'object' && match !== null) {
    if (hasPath(match)) return named([match.path], SPECIFICITY.method);
    const methods = Object.values(match);
    if (methods.length > 0 && methods.every(hasPath)) {
      return named(
        methods.map((method) => method.path),
        SPECIFICITY.service,
      );
    }
  }
  throw invalid(
    field,
    'a method or service definition, a path, a service name, a pattern or a RegExp',
    match,
  );
}

function hasPath(value: unknown): value is HasPath {
  return typeof value === 'object' && value !== null && 'path' in value && typeof value.path === 'string';
}

function compileText(text: string, field: string): Matcher {
  if (text.includes('*')) {
    const source = text.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'));
    const pattern = new RegExp(`^/?${source.join('.*').replace(/^\//, '')}$`);
    return { rate: (path) => (pattern.test(path) ? SPECIFICITY.pattern : SPECIFICITY.none), paths: [] };
  }
  if (/^\/[^/]+\/[^/]+$/.test(text) || HTTP_NAME.test(text)) return named([text], SPECIFICITY.method);
  if (/^https?:\/\/[^/\s]+$/.test(text)) {
    const rate = (path: string) =>
      HTTP_NAME.test(path) && originOf(path) === text ? SPECIFICITY.service : SPECIFICITY.none;
    return { rate, paths: [`GET ${text}`] };
  }
  if (/^[^/\s]+$/.test(text)) {
    const rate = (path: string) => (serviceOf(path) === text ? SPECIFICITY.service : SPECIFICITY.none);
    return { rate, paths: [`/${text}/*`] };
  }
  throw invalid(field, "'/package.Service/Method', 'package.Service' or a pattern with *", text);
}

/** `POST https://models.example/v1` -> `https://models.example` */
function originOf(name: string): string {
  return /https?:\/\/[^/]+/.exec(name)?.[0] ?? '';
}

function named(paths: readonly string[], specificity: number): Matcher {
  const set = new Set(paths);
  return { rate: (path) => (set.has(path) ? specificity : SPECIFICITY.none), paths };
}
