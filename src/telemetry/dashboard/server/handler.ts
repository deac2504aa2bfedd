import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PAGE_SCRIPT, PAGE_STYLE, UPLOT_SCRIPT } from '../../../gen/dashboard/assets.js';
import type { ResolvedPage } from '../options.js';
import type { Controls } from './controls.js';
import { contentSecurityPolicy, htmlOf, type PageFacts } from './html.js';
import type { Hub } from './hub.js';
import { hostOf, isAllowedHost, isFromElsewhere } from './request-check.js';

export interface HandlerParts {
  readonly page: ResolvedPage;
  /** '' or `/path`; undefined: the path at which a framework has mounted the handler. */
  readonly basePath: string | undefined;
  readonly hub: Hub;
  readonly facts: PageFacts;
  readonly controls: Controls | undefined;
}

/** The headers of every response. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
} as const;
const NOTHING_ALLOWED = "default-src 'none'; frame-ancestors 'none'";
const ASSETS: ReadonlyMap<string, readonly [type: string, text: string]> = new Map([
  ['page.js', ['text/javascript', PAGE_SCRIPT]],
  ['uplot.js', ['text/javascript', UPLOT_SCRIPT]],
  ['style.css', ['text/css', PAGE_STYLE]],
]);

/** Answers a request. A route is a name in a table, so no path reaches a file system. */
export function handle(parts: HandlerParts, request: IncomingMessage, response: ServerResponse): void {
  const { path, query } = targetOf(request, parts.basePath);
  if (!isAllowedHost(hostOf(request), parts.page.allowedHosts))
    return reply(request, response, 403, 'this Host is not allowed; see the option allowedHosts');
  if (path === undefined) return reply(request, response, 404, 'not found');
  if (path === '') return redirect(request, response);
  const name = path.slice(1);
  if (name === 'control') return control(parts, request, response, query);
  const isKnown = name === '' || name === 'events' || name === 'snapshot' || ASSETS.has(name);
  if (!isKnown) return reply(request, response, 404, 'not found');
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return reply(request, response, 405, 'only GET and HEAD', { Allow: 'GET, HEAD' });
  const asset = ASSETS.get(name);
  if (asset !== undefined) return send(request, response, 200, asset[0], asset[1]);
  if (name === '') return page(parts.facts, request, response);
  // any site may link to the page; the figures below may be read by the page itself and by programs only
  if (isFromElsewhere(request)) return reply(request, response, 403, 'not for pages of other sites');
  if (name === 'snapshot') return send(request, response, 200, 'application/json', parts.hub.snapshot());
  return events(parts.hub, request, response);
}

function page(facts: PageFacts, request: IncomingMessage, response: ServerResponse): void {
  const nonce = randomBytes(18).toString('base64');
  const policy = { 'Content-Security-Policy': contentSecurityPolicy(nonce) };
  send(request, response, 200, 'text/html', htmlOf(nonce, facts), policy);
}

function events(hub: Hub, request: IncomingMessage, response: ServerResponse): void {
  if (hub.isFull) return reply(request, response, 503, 'too many readers', { 'Retry-After': '10' });
  response.writeHead(200, {
    ...HEADERS,
    'Content-Security-Policy': NOTHING_ALLOWED,
    'Content-Type': 'text/event-stream; charset=utf-8',
    // without this header nginx would keep the events until its buffer is full
    'X-Accel-Buffering': 'no',
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  response.flushHeaders();
  hub.add(response);
}

function control(
  { controls }: HandlerParts,
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
): void {
  if (controls === undefined) return reply(request, response, 404, 'not found');
  if (request.method !== 'POST') return reply(request, response, 405, 'only POST', { Allow: 'POST' });
  controls
    .handle(request, query)
    .catch((error: unknown) => ({ status: 400, text: error instanceof Error ? error.message : 'failed' }))
    .then(({ status, text }) => reply(request, response, status, text))
    // the visitor has gone
    .catch(() => undefined);
}

/** The path below the base, and the query; no path where the request is not below the base. */
function targetOf(request: IncomingMessage, basePath: string | undefined) {
  // Express removes the path that it has matched from `url`, and keeps the whole in `originalUrl`
  const { originalUrl, baseUrl } = request as { originalUrl?: unknown; baseUrl?: unknown };
  const url = typeof originalUrl === 'string' ? originalUrl : (request.url ?? '/');
  const base = basePath ?? (typeof baseUrl === 'string' ? baseUrl : '');
  const [whole = '', search = ''] = url.split('?', 2);
  const query = new URLSearchParams(search);
  return {
    path:
      whole.startsWith(base) && /^(\/|$)/.test(whole.slice(base.length))
        ? whole.slice(base.length)
        : undefined,
    query,
  };
}

/** Redirects to the same path with a slash, without which relative addresses would be wrong. */
function redirect(request: IncomingMessage, response: ServerResponse): void {
  const { originalUrl } = request as { originalUrl?: unknown };
  const url = typeof originalUrl === 'string' ? originalUrl : (request.url ?? '');
  const [, name = ''] = /\/([\w.~-]+)(?:\?.*)?$/.exec(url) ?? [];
  reply(request, response, 308, 'see the same path with a slash', { Location: `${name}/` });
}

function reply(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  send(request, response, status, 'text/plain', `${text}\n`, headers);
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const bytes = Buffer.from(text);
  response.writeHead(status, {
    ...HEADERS,
    'Content-Security-Policy': NOTHING_ALLOWED,
    ...headers,
    'Content-Type': `${type}; charset=utf-8`,
    'Content-Length': bytes.length,
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}
