import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Loopback names and addresses. The pages of a site whose name resolves to this machine send that name, and not these. */
const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/i;

/**
 * Whether the `Host` is a name of this server. It guards against DNS rebinding: if an attacker's name resolved to this machine, the
 * attacker's pages would have the same origin as this page.
 * @param allowed names or addresses besides the loopback names, in lower case, with or without a port
 */
export function isAllowedHost(host: string | undefined, allowed: readonly string[]): boolean {
  if (host === undefined || host.length > 300) return false;
  const [, name = '', port] = /^(\[[\da-fA-F:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/.exec(host) ?? [];
  if (name === '') return false;
  const lower = name.toLowerCase().replace(/\.$/, '');
  return (
    LOOPBACK.test(lower) ||
    allowed.includes(lower) ||
    (port !== undefined && allowed.includes(`${lower}:${port}`))
  );
}

/** The host that the request names: in `Host`, or in HTTP/2 in `:authority`. */
export function hostOf({ headers }: IncomingMessage): string | undefined {
  const authority = headers[':authority'];
  return headers.host ?? (typeof authority === 'string' ? authority : undefined);
}

/** Whether the headers of a browser show that a page of another site made this request. Programs send no such headers. */
export function isFromElsewhere(request: IncomingMessage): boolean {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin } = request.headers;
  return origin !== undefined && !isOriginOf(origin, hostOf(request));
}

/** Whether a request may change something: its `Origin` or its `Sec-Fetch-Site` must show that it comes from this page. */
export function mayChange(request: IncomingMessage): boolean {
  const { origin } = request.headers;
  const site = request.headers['sec-fetch-site'];
  if (isFromElsewhere(request)) return false;
  return origin !== undefined || site === 'same-origin';
}

function isOriginOf(origin: string, host: string | undefined): boolean {
  const [, authority] = /^https?:\/\/([^/]+)$/i.exec(origin) ?? [];
  return authority !== undefined && host !== undefined && authority.toLowerCase() === host.toLowerCase();
}

/** Whether the `Authorization` has the token. The comparison takes as long for a wrong token as for the right token. */
export function hasToken({ headers }: IncomingMessage, token: string): boolean {
  const [, given = ''] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? [];
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
