import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { invalid } from '../../errors.js';
import type { Guard } from '../../guard/guard-options.js';
import { type DashboardHandler, dashboard, handlerOf } from './dashboard.js';
import {
  type Listening,
  resolveListen,
  resolveSources,
  type ServeOptions,
  type ServeSourcesOptions,
  withoutListen,
} from './options.js';
import { SourcesFeed } from './server/sources-feed.js';

/** A page with a server of its own. */
export interface DashboardServer {
  /** The address of the page: `http://127.0.0.1:9300/`. */
  readonly url: string;
  /** The port that it listens on. */
  readonly port: number;
  /** Ends the page, its streams and the server. */
  close(): Promise<void>;
  /** As {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Serves the live page of a guard. The server does not keep the process running.
 * @example const { url } = await serveDashboard(guard, { port: 9300 });
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option; the error of `listen` where the port is taken
 */
export async function serveDashboard(guard: Guard, options?: ServeOptions): Promise<DashboardServer>;
/**
 * Serves one page for several processes: it reads their `/events`. The server keeps the process running until it is closed.
 * @example await serveDashboard({ sources: ['http://10.0.0.1:9300/', 'http://10.0.0.2:9300/'], port: 9400 });
 */
export async function serveDashboard(options: ServeSourcesOptions): Promise<DashboardServer>;
export async function serveDashboard(
  first: Guard | ServeSourcesOptions,
  options: ServeOptions = {},
): Promise<DashboardServer> {
  if (typeof first !== 'object' || first === null)
    throw invalid('guard', 'a guard, or options with sources', first);
  if (isOptions(first)) {
    const listening = resolveListen(first);
    const { sources, ...page } = resolveSources(first);
    const allowedHosts = [...page.allowedHosts, ...ownName(listening.host)];
    const feed = new SourcesFeed(sources);
    return listen(handlerOf(feed, { ...page, allowedHosts }, ''), listening, true);
  }
  const listening = resolveListen(options);
  const own = withoutListen(options);
  const allowedHosts = [...(own.allowedHosts ?? []), ...ownName(listening.host)];
  return listen(dashboard(first, { basePath: '', ...own, allowedHosts }), listening, false);
}

/** Whether the argument is options. Also where `sources` is misspelt, so that the error names the option. */
function isOptions(first: Guard | ServeSourcesOptions): first is ServeSourcesOptions {
  return 'sources' in first || (!('snapshots' in first) && Object.keys(first).length > 0);
}

/** The host that requests may name where a user has chosen an address; none for "every address". */
function ownName(host: string): string[] {
  if (/^(0\.0\.0\.0|::|0:0:0:0:0:0:0:0)$/.test(host)) return [];
  return [host.includes(':') ? `[${host}]` : host];
}

async function listen(
  handler: DashboardHandler,
  { port, host }: Listening,
  holdsProcess: boolean,
): Promise<DashboardServer> {
  const server = createServer(
    { maxHeaderSize: 16_384, requestTimeout: 30_000, headersTimeout: 10_000 },
    handler,
  );
  if (!holdsProcess) {
    server.unref();
    server.on('connection', (socket) => socket.unref());
  }
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    handler.close();
    throw error;
  }
  // without a listener, an error of the listening server would end the process
  server.on('error', () => undefined);
  const address = server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  const close = () =>
    new Promise<void>((resolve) => {
      handler.close();
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://${name}:${address.port}/`, port: address.port, close, [Symbol.asyncDispose]: close };
}
