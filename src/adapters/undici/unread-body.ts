import type { Readable } from 'node:stream';

/** Destroys the body of a request that was not made, as undici does where a request fails: else the stream would never end. */
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
