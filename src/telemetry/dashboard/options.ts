import { checkFunction, checkInteger, checkKeys } from '../../checks.js';
import { FailsoftError, invalid } from '../../errors.js';
import type { Guard } from '../../guard/guard-options.js';

/** A button of your own on the page, beside the controls. */
export interface DashboardAction {
  /** The text of the button. */
  readonly label: string;
  /** Explains the button, in a tooltip and for screen readers. @default none */
  readonly description?: string;
  /**
   * Called when the button is pressed. If it throws or rejects, the page shows that the action failed, and the guard reports
   * the error.
   */
  readonly run: () => void | Promise<void>;
}

/** Lets a page change circuits. */
export interface ControlOptions {
  /** The secret of visitors who may change circuits: at least 16 characters. The page asks for it, or takes it from `#token=...`. */
  readonly token: string;
  /** Buttons of your own, at most 20. @default none */
  readonly actions?: readonly DashboardAction[];
}

/** The past that a page shows when it is opened. */
export interface HistoryOptions {
  /** The length of a step, in milliseconds: 100 to 60000. @default 2000 */
  readonly stepMs?: number;
  /** How many steps are kept: 10 to 1000. @default 150 (five minutes) */
  readonly steps?: number;
}

/** Options of every page. */
export interface PageOptions {
  /** Hosts that the `Host` header may name besides the loopback hosts: `metrics.example.com`, or with a port. @default none */
  readonly allowedHosts?: readonly string[];
  /** How often changes are sent to a page, in milliseconds: 50 to 10000. @default 1000 */
  readonly intervalMs?: number;
  /** Most pages (and other readers of `/events`) at a time. @default 100 */
  readonly maxReaders?: number;
}

/** Options of `dashboard()`. */
export interface DashboardOptions extends PageOptions {
  /** The path at which the page is mounted: `/failsoft`. @default the path at which Express has mounted it, or '' */
  readonly basePath?: string;
  /** The name of this process on the page. @default `pid` and the process's number */
  readonly process?: string;
  /**
   * How much of the time before it was opened a page shows. An unref'ed timer then reads the circuits every `stepMs`. `false`: they
   * are read only while a page is open. @default five minutes in steps of two seconds
   */
  readonly history?: HistoryOptions | false;
  /** Lets visitors with a token isolate and release circuits and set their modes. @default false: the page only reads */
  readonly controls?: ControlOptions | false;
}

/** The address of a page with a server of its own. */
export interface ListenOptions {
  /** The port to listen on. @default 0: any free port */
  readonly port?: number;
  /** The address to listen on. @default '127.0.0.1', which only this machine can reach */
  readonly host?: string;
}

/** Options of `serveDashboard(guard, ...)`. */
export interface ServeOptions extends DashboardOptions, ListenOptions {}

/** Options of `serveDashboard({ sources })`. */
export interface ServeSourcesOptions extends PageOptions, ListenOptions {
  /** The `/events` of other processes, or the addresses of their pages: `http://127.0.0.1:9301/`. At most 100. */
  readonly sources: readonly string[];
}

export interface ResolvedPage {
  readonly allowedHosts: readonly string[];
  readonly intervalMs: number;
  readonly maxReaders: number;
}

export interface ResolvedDashboard extends ResolvedPage {
  readonly basePath: string | undefined;
  readonly process: string;
  readonly stepMs: number;
  readonly steps: number;
  readonly isKept: boolean;
  readonly controls: ControlOptions | undefined;
}

const PAGE_KEYS = ['allowedHosts', 'intervalMs', 'maxReaders'];
const DASHBOARD_KEYS = [...PAGE_KEYS, 'basePath', 'process', 'history', 'controls'];
const LISTEN_KEYS = ['port', 'host'];
const SHORTEST_TOKEN = 16;
const MOST_ACTIONS = 20;
const MOST_SOURCES = 100;

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option */
export function resolveDashboard(options: DashboardOptions): ResolvedDashboard {
  checkKeys('options', options, DASHBOARD_KEYS);
  const { basePath, process: name = `pid ${process.pid}`, history = {}, controls = false } = options;
  const isBasePath = basePath === undefined || basePath === '' || /^(\/[\w.~-]+)+\/?$/.test(basePath);
  if (!isBasePath) throw invalid('options.basePath', "'' or a path such as /failsoft", basePath);
  if (typeof name !== 'string' || name === '' || name.length > 100)
    throw invalid('options.process', 'a name of 1 to 100 characters', name);
  const kept = history === false ? {} : history;
  checkKeys('options.history', kept, ['stepMs', 'steps']);
  return {
    ...resolvePage(options),
    basePath: basePath?.replace(/\/$/, ''),
    process: name,
    stepMs: checkInteger('options.history.stepMs', kept.stepMs ?? 2_000, 100, 60_000),
    steps: checkInteger('options.history.steps', kept.steps ?? 150, 10, 1_000),
    isKept: history !== false,
    controls: controls === false ? undefined : resolveControls(controls),
  };
}

function resolvePage({ allowedHosts = [], intervalMs = 1_000, maxReaders = 100 }: PageOptions): ResolvedPage {
  const isHost = (host: unknown) =>
    typeof host === 'string' && /^(\[[\da-f:.]+\]|[\w.-]+)(:\d{1,5})?$/i.test(host);
  if (!Array.isArray(allowedHosts) || !allowedHosts.every(isHost))
    throw invalid(
      'options.allowedHosts',
      'an array of hosts such as metrics.example.com or 10.1.2.3:9300',
      allowedHosts,
    );
  return {
    allowedHosts: allowedHosts.map((host: string) => host.toLowerCase()),
    intervalMs: checkInteger('options.intervalMs', intervalMs, 50, 10_000),
    maxReaders: checkInteger('options.maxReaders', maxReaders, 1, 10_000),
  };
}

function resolveControls(controls: ControlOptions): ControlOptions {
  checkKeys('options.controls', controls, ['token', 'actions']);
  const { token, actions = [] } = controls;
  if (typeof token !== 'string' || token.length < SHORTEST_TOKEN || !/^[\x21-\x7e]+$/.test(token)) {
    // not `invalid()`: the error must not show the secret
    const got = typeof token === 'string' ? `text of ${token.length} characters` : typeof token;
    const expected = `at least ${SHORTEST_TOKEN} visible characters of ASCII`;
    throw new FailsoftError(
      'FAILSOFT_INVALID_ARGUMENT',
      `options.controls.token: expected ${expected}, got ${got}`,
    );
  }
  if (!Array.isArray(actions) || actions.length > MOST_ACTIONS)
    throw invalid('options.controls.actions', `an array of at most ${MOST_ACTIONS} actions`, actions);
  actions.forEach((action: DashboardAction, index) => {
    const field = `options.controls.actions[${index}]`;
    checkKeys(field, action, ['label', 'description', 'run']);
    if (typeof action.label !== 'string' || action.label === '')
      throw invalid(`${field}.label`, 'a text', action.label);
    checkFunction(`${field}.run`, action.run);
  });
  return { token, actions: [...actions] };
}

export function checkGuard(guard: Guard): Guard {
  if (typeof guard?.snapshots !== 'function' || typeof guard.on !== 'function')
    throw invalid('guard', 'a guard', guard);
  return guard;
}

export interface Listening {
  readonly port: number;
  readonly host: string;
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option */
export function resolveListen({ port = 0, host = '127.0.0.1' }: ListenOptions): Listening {
  if (typeof host !== 'string' || host === '') throw invalid('options.host', 'an address to listen on', host);
  return { port: checkInteger('options.port', port, 0, 65_535), host };
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option */
export function resolveSources(
  options: ServeSourcesOptions,
): ResolvedPage & { readonly sources: readonly URL[] } {
  checkKeys('options', options, [...PAGE_KEYS, ...LISTEN_KEYS, 'sources']);
  const { sources } = options;
  if (!Array.isArray(sources) || sources.length === 0 || sources.length > MOST_SOURCES)
    throw invalid('options.sources', `an array of 1 to ${MOST_SOURCES} addresses`, sources);
  const urls = sources.map((source: unknown, index) => {
    const url = typeof source === 'string' && URL.canParse(source) ? new URL(source) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol))
      throw invalid(`options.sources[${index}]`, 'an http or https address', source);
    if (!url.pathname.endsWith('/events')) url.pathname = `${url.pathname.replace(/\/$/, '')}/events`;
    return url;
  });
  return { ...resolvePage(options), sources: urls };
}

/** The options of `serveDashboard` without those of the server. */
export function withoutListen({ port: _port, host: _host, ...options }: ServeOptions): DashboardOptions {
  return options;
}
