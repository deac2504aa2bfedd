import { type Asked, askedOf } from '../http/asked.js';

/** The parts of a fetch that the guard looks at. */
export interface Described extends Asked {
  readonly signal: AbortSignal | undefined;
}

/** Undefined for a call that fetch itself will refuse. */
export function describe(
  input: string | URL | Request,
  init: RequestInit | undefined,
  requestBody: Uint8Array | undefined,
): Described | undefined {
  try {
    const asked = typeof input === 'object' && 'url' in input ? input : undefined;
    const url = new URL(asked?.url ?? String(input));
    const method = (init?.method ?? asked?.method ?? 'GET').toUpperCase();
    const headers = new Headers(init?.headers ?? asked?.headers);
    // null takes the signal of a Request away
    const signal = init?.signal === undefined ? asked?.signal : (init.signal ?? undefined);
    if (signal !== undefined && typeof signal.addEventListener !== 'function') return undefined;
    return { ...askedOf(method, url, headers, requestBody ?? init?.body ?? asked?.body), signal };
  } catch {
    return undefined;
  }
}
