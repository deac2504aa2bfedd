import type { Readable } from 'node:stream';

/** Nobody reads the body of a request that was not made. undici, too, destroys it where a request fails. */
export function destroyUnread(body: unknown): void {
  if (typeof body !== 'object' || body === null || !isReadable(body)) return;
  body.on('error', nothing);
  body.destroy();
}

function isReadable(body: object): body is Readable {
  return (
    'destroy' in body && typeof body.destroy === 'function' && 'on' in body && typeof body.on === 'function'
  );
}

function nothing(): void {}
