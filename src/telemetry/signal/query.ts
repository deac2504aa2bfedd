import { cut } from '../../text.js';
import type { SignalSettings } from './options.js';

/** The longest answer that is read: far longer than an answer with a single value. */
const MOST_BYTES = 65_536;

/**
 * Asks Prometheus for the single value of a query.
 * @throws Error with the reason: no answer in time, a status, no value, several values, NaN
 */
export async function askPrometheus(
  { endpoint, headers, query, timeoutMs }: SignalSettings,
  closed: AbortSignal,
): Promise<number> {
  // not `AbortSignal.any()`: the long-lived signal `closed` would keep some memory for each signal derived from it
  const controller = new AbortController();
  const { signal } = controller;
  const abort = () => controller.abort();
  const timer = setTimeout(abort, timeoutMs).unref();
  closed.addEventListener('abort', abort);
  let text: string;
  let status: number;
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ query, timeout: `${timeoutMs}ms` }),
      redirect: 'error',
      signal,
    });
    ({ status } = response);
    text = await bodyOf(response);
  } catch (error) {
    throw new Error(signal.aborted ? `no answer in ${timeoutMs} ms` : `no answer: ${causeOf(error)}`);
  } finally {
    clearTimeout(timer);
    closed.removeEventListener('abort', abort);
  }
  return readValue(text, status);
}

async function bodyOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MOST_BYTES) throw new Error(`an answer of more than ${MOST_BYTES} characters`);
  }
  return text;
}

/** The reason of a failed fetch: its message is "fetch failed", and the reason is in its cause. */
function causeOf(error: unknown): string {
  const cause: unknown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!(cause instanceof Error)) return 'an error';
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
  return cut(code, 100, '…');
}

function readValue(text: string, status: number): number {
  const answer = parse(text);
  if (answer === undefined) throw new Error(`an answer that is no JSON object, with status ${status}`);
  if (field(answer, 'status') !== 'success') {
    const error = field(answer, 'error');
    throw new Error(`status ${status}: ${typeof error === 'string' ? cut(error, 200, '…') : 'no success'}`);
  }
  const data = field(answer, 'data');
  const type = field(data, 'resultType');
  const result = field(data, 'result');
  if (type === 'scalar') return numberOf(result);
  if (type !== 'vector' || !Array.isArray(result))
    throw new Error(`a ${typeof type === 'string' ? cut(type, 40) : 'result without a type'}, not one value`);
  if (result.length === 0) throw new Error('no value: the result of the query is empty');
  if (result.length > 1) throw new Error('several values: the query must have one, as sum() has');
  return numberOf(field(result[0], 'value'));
}

function numberOf(sample: unknown): number {
  const value: unknown = Array.isArray(sample) ? sample[1] : undefined;
  const number = typeof value === 'string' && value !== '' ? Number(value) : Number.NaN;
  if (!Number.isFinite(number))
    throw new Error(
      `a value that is no number: ${typeof value === 'string' ? cut(value, 40) : typeof value}`,
    );
  return number;
}

function parse(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}
