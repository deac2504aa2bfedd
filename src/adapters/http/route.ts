import { invalid } from '../../errors.js';

/**
 * Gives the route of a URL, so that URLs that differ only in an id share a circuit: a list of path templates, or a function that
 * returns a template. In a template `:name`, `{name}` and `*` stand for one segment, `**` at its end for the rest.
 */
export type Routes = readonly string[] | ((url: URL, method: string) => string | undefined);

/** Gives the name of a request: `POST https://models.example/v1/models/:name`. */
export type NameOf = (method: string, url: URL) => string;

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
export function compileRoutes(routes: Routes | undefined, field: string): NameOf {
  // the function gets a copy, because it must not change the address of the request
  const templateOf: (url: URL, method: string) => string | undefined =
    typeof routes === 'function'
      ? (url, method) => routes(new URL(url), method)
      : compileList(routes ?? [], field);
  return (method, url) => {
    const template = templateOf(url, method) ?? '';
    // `#` separates the parts of a circuit key
    return `${method} ${url.origin}${String(template)}`.replaceAll('#', '%23');
  };
}

function compileList(routes: readonly string[], field: string): (url: URL) => string | undefined {
  if (!Array.isArray(routes)) throw invalid(field, 'a list of path templates, or a function', routes);
  const compiled = routes.map((route, index) => {
    if (typeof route !== 'string' || !route.startsWith('/'))
      throw invalid(`${field}[${index}]`, "a path template that begins with '/'", route);
    return { route, pattern: patternOf(route) };
  });
  return ({ pathname }) => compiled.find(({ pattern }) => pattern.test(pathname))?.route;
}

function patternOf(route: string): RegExp {
  const segments = route.split('/').map((segment, index, all) => {
    if (segment === '**' && index === all.length - 1) return '.*';
    if (segment === '*' || /^:\w+$|^\{\w+\}$/.test(segment)) return '[^/]+';
    return segment.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  });
  return new RegExp(`^${segments.join('/')}/?$`);
}
