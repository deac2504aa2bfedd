import type { Metadata } from '@grpc/grpc-js';
import type { RealCall } from './call.js';

/** More interceptors than any client has. */
const MOST_INTERCEPTORS = 100;

/**
 * Calls `seen` with the metadata that leave the last interceptor behind the guard, before they go out. An interceptor may send
 * a copy of the metadata it was given, and nothing that grpc-js hands to the guard shows that copy. Where no interceptor stands
 * behind the guard, `seen` is not called. A call that is no InterceptingCall, and a second guard, end the search: `seen` gets the
 * metadata that they are given.
 */
export function watchSentMetadata(real: RealCall, seen: (metadata: Metadata) => void): void {
  const last = lastOf(real);
  if (last === real) return;
  const start = last.start.bind(last);
  last.start = (metadata, listener) => {
    seen(metadata);
    start(metadata, listener);
  };
}

/** grpc-js's InterceptingCall holds the call behind it in `nextCall`, in every version; only its types hide it. */
function lastOf(real: RealCall): RealCall {
  let last = real;
  for (let left = MOST_INTERCEPTORS; left > 0; left--) {
    const next: unknown = Reflect.get(last, 'nextCall');
    if (!isCall(next)) return last;
    last = next;
  }
  return last;
}

function isCall(value: unknown): value is RealCall {
  return typeof value === 'object' && value !== null && 'start' in value && typeof value.start === 'function';
}
