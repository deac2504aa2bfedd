import { checkDurationMs, checkFunction, checkKeys, checkNumber } from '../../checks.js';
import type { Clock } from '../../clock.js';
import { invalid } from '../../errors.js';
import type { WarningEvent } from '../events.js';

/** Options of {@link prometheusSignal}. */
export interface PrometheusSignalOptions {
  /** The address of Prometheus, or of a server with its API: `http://prometheus:9090`. A user and password are sent as basic auth. */
  readonly url: string;
  /** A PromQL query whose result is a single value: `histogram_quantile(0.99, sum by (le) (rate(...[1m])))`. */
  readonly query: string;
  /** The alarm is on while the value is above it; in the unit of the value. */
  readonly threshold: number;
  /** How long the value must be above the threshold before the alarm is on, in milliseconds. @default 0 */
  readonly forMs?: number;
  /** The time between two queries, in milliseconds, at random up to a tenth shorter or longer. @default 15000 */
  readonly intervalMs?: number;
  /** The time limit of a query, in milliseconds. @default 5000, or intervalMs if that is less */
  readonly timeoutMs?: number;
  /**
   * The largest age of the last good value, in milliseconds: with an older value the alarm is off.
   * @default 4 * intervalMs + forMs
   */
  readonly staleAfterMs?: number;
  /** The name of the signal in the reasons of transitions. @default 'prometheus' */
  readonly name?: string;
  /** Headers of the request, such as `authorization`. @default none */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Called when Prometheus begins to fail, and when the error changes. Each new error is also a process warning
   * (`FailsoftWarning`). @default none
   */
  readonly onWarning?: (event: WarningEvent) => void;
  /** For the times of queries and values; its timers are set as `background`. @default systemClock */
  readonly clock?: Clock;
  /** Uniform in [0, 1), for the jitter. @default Math.random */
  readonly random?: () => number;
}

const KEYS = [
  ...['url', 'query', 'threshold', 'forMs', 'intervalMs', 'timeoutMs', 'staleAfterMs'],
  ...['name', 'headers', 'onWarning', 'clock', 'random'],
];

/** The options, checked, with their defaults. */
export interface SignalSettings {
  /** The address of the query, without user and password. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: string;
  readonly threshold: number;
  readonly forMs: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly staleAfterMs: number;
  readonly name: string;
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option */
export function signalSettings(options: PrometheusSignalOptions): SignalSettings {
  const at = 'prometheusSignal';
  checkKeys(at, options, KEYS);
  const { query, threshold, forMs = 0, intervalMs = 15_000, name = 'prometheus', headers = {} } = options;
  if (typeof query !== 'string' || query.trim() === '') throw invalid(`${at}.query`, 'a query', query);
  if (typeof threshold !== 'number' || !Number.isFinite(threshold))
    throw invalid(`${at}.threshold`, 'a number', threshold);
  if (typeof name !== 'string' || !/^[\w. -]{1,64}$/.test(name))
    throw invalid(`${at}.name`, 'up to 64 letters, digits, spaces, "_", "." or "-"', name);
  if (options.onWarning !== undefined) checkFunction(`${at}.onWarning`, options.onWarning);
  if (options.random !== undefined) checkFunction(`${at}.random`, options.random);
  if (options.clock !== undefined) checkFunction(`${at}.clock.setTimer`, options.clock?.setTimer);
  checkDurationMs(`${at}.forMs`, forMs, 0);
  checkNumber(`${at}.intervalMs`, intervalMs, 10, 86_400_000);
  const { timeoutMs = Math.min(5_000, intervalMs), staleAfterMs = 4 * intervalMs + forMs } = options;
  return {
    ...endpointOf(`${at}.url`, options.url, headersOf(`${at}.headers`, headers)),
    query,
    threshold,
    forMs,
    intervalMs,
    timeoutMs: checkNumber(`${at}.timeoutMs`, timeoutMs, 1, 86_400_000),
    staleAfterMs: checkDurationMs(`${at}.staleAfterMs`, staleAfterMs, 1),
    name,
  };
}

function endpointOf(
  field: string,
  url: unknown,
  headers: Readonly<Record<string, string>>,
): Pick<SignalSettings, 'endpoint' | 'headers'> {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined;
  // the error does not show the address, which may contain a password
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol))
    throw invalid(field, 'an address that begins with http:// or https://', typeof url);
  const { username, password } = parsed;
  const endpoint = `${parsed.origin}${parsed.pathname.replace(/\/$/, '')}/api/v1/query`;
  if (username === '' && password === '') return { endpoint, headers };
  const credentials = `${decoded(field, username)}:${decoded(field, password)}`;
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
  return { endpoint, headers: { authorization, ...headers } };
}

function decoded(field: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid(field, 'a user and a password that are percent-encoded', typeof part);
  }
}

function headersOf(field: string, headers: unknown): Record<string, string> {
  if (typeof headers !== 'object' || headers === null) throw invalid(field, 'an object', headers);
  const copy: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') throw invalid(`${field}.${name}`, 'a string', typeof value);
    copy[name] = value;
  }
  try {
    new Headers(copy);
  } catch {
    throw invalid(field, 'headers that HTTP allows', Object.keys(copy));
  }
  return copy;
}
