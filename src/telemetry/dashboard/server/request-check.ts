import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Loopback names and addresses. A site in the web that resolves its name to this machine sends its own name. */
const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/i;

/**
 * Whether the `Host` is a name of this server, against DNS rebinding: a name that an attacker's DNS turns to this machine would
 * make its pages the same origin as this one.
 * @param allowed names or addresses besides the loopback ones, in lower case, with or without a port
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

/** The host that the client asked for; in HTTP/2 a header of another name. */
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

/** Whether a request may change something: it must have an `Origin` or a `Sec-Fetch-Site` that is this page's own. */
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

/** Whether the `Authorization` is the token. Takes as long for a wrong one as for the right one. */
export function hasToken({ headers }: IncomingMessage, token: string): boolean {
  const [, given = ''] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? [];
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
