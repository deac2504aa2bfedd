import type { Settings } from './options/settings.js';
import type { CircuitSnapshot } from './types.js';
import type { Window } from './window/window.js';

/** The window's part of a snapshot. */
export function describeWindow(window: Window, settings: Settings): CircuitSnapshot['window'] {
  const { calls, unhealthy, timed } = window;
  const share = (count: number, all: number) => (all === 0 ? 0 : count / all);
  const [p50, p90, p99] = window.percentiles([50, 90, 99]) ?? [];
  const isKnown = p50 !== undefined && p90 !== undefined && p99 !== undefined;
  return {
    calls,
    unhealthy,
    failureRate: share(unhealthy, calls),
    slowRate: settings.slowMark === undefined ? null : share(window.marked(settings.slowMark), timed),
    latencyMs: isKnown ? { p50, p90, p99 } : null,
  };
}
