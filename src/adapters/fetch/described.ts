import { type Asked, askedOf } from '../http/asked.js';

/** The parts of a fetch that the guard reads. */
export interface Described extends Asked {
  readonly signal: AbortSignal | undefined;
}

/** Reads the arguments of a fetch. Undefined for arguments that fetch itself will refuse. */
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
    // null in the options removes the signal of a Request
    const signal = init?.signal === undefined ? asked?.signal : (init.signal ?? undefined);
    if (signal !== undefined && typeof signal.addEventListener !== 'function') return undefined;
    return { ...askedOf(method, url, headers, requestBody ?? init?.body ?? asked?.body), signal };
  } catch {
    return undefined;
  }
}
