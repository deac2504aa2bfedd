import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Guard } from '../../guard/guard-options.js';
import { type ReportWarning, reportWarningOf } from '../report-warning.js';
import { Warnings } from '../warnings.js';
import {
  type ControlOptions,
  checkGuard,
  type DashboardOptions,
  type ResolvedPage,
  resolveDashboard,
} from './options.js';
import { Controls } from './server/controls.js';
import type { Feed } from './server/feed.js';
import { GuardFeed } from './server/guard-feed.js';
import { handle } from './server/handler.js';
import { Hub } from './server/hub.js';

/** Answers the requests of a page. A plain `(request, response)` function of node:http, with a way to end it. */
export interface DashboardHandler {
  /** Answers every request that it is given; unknown paths with 404. */
  (request: IncomingMessage, response: ServerResponse): void;
  /**
   * Ends the streams and the timer, and releases circuits that visitors isolated. Without it, an open page keeps a server
   * from closing.
   */
  close(): void;
}

/** An idle stream gets a heartbeat this often, in milliseconds. */
const HEARTBEAT_MS = 15_000;
/** A page that takes no message for this long is dropped. In milliseconds. */
const PATIENCE_MS = 10_000;

/**
 * Makes the live page of a guard, as a handler for node:http, Express and Fastify. The page has no login: mount it behind
 * your own, or where every visitor may see which models fail. It shows names, states and figures; no request, no answer and
 * no metadata.
 *
 * @example http.createServer(dashboard(guard)).listen(9300, '127.0.0.1')
 * @example app.use('/failsoft', dashboard(guard)) // Express
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option
 */
export function dashboard(guard: Guard, options: DashboardOptions = {}): DashboardHandler {
  const resolved = resolveDashboard(options);
  const feed = new GuardFeed(checkGuard(guard), resolved);
  const { controls } = resolved;
  return handlerOf(feed, resolved, resolved.basePath, controls, guard);
}

export function handlerOf(
  feed: Feed,
  page: ResolvedPage,
  basePath: string | undefined,
  options?: ControlOptions,
  guard?: Guard,
): DashboardHandler {
  const { intervalMs, maxReaders } = page;
  const report = reportOf(guard);
  const onActionError = (error: unknown) => report(error, 'an action of the dashboard');
  const controls: Controls | undefined =
    options === undefined || guard === undefined ? undefined : new Controls(guard, options, onActionError);
  const actions = (options?.actions ?? []).map(({ label, description = '' }) => ({ label, description }));
  const hub = new Hub(
    feed,
    { intervalMs, maxReaders, heartbeatMs: HEARTBEAT_MS, patienceMs: PATIENCE_MS },
    (error) => report(error, 'the dashboard'),
  );
  const facts = { canControl: controls !== undefined, actions };
  const handler = (request: IncomingMessage, response: ServerResponse) => {
    try {
      handle({ page, basePath, hub, facts, controls }, request, response);
    } catch (error) {
      report(error, 'the dashboard');
      if (!response.headersSent) response.writeHead(500);
      response.end();
    }
  };
  const close = () => {
    hub.close();
    controls?.close();
  };
  return Object.assign(handler, { close });
}

/** Reports errors as events of the guard; a page without a guard writes process warnings only. */
function reportOf(guard: Guard | undefined): ReportWarning {
  const ofGuard = guard && reportWarningOf(guard);
  if (ofGuard !== undefined) return ofGuard;
  const warnings = new Warnings();
  return (error, source) => warnings.report(error, source);
}
