import { CountWindow } from './count-window.js';
import { TimeWindow } from './time-window.js';
import { sameBuckets, sameSpec, type Window, type WindowSpec } from './window.js';

export function createWindow(spec: WindowSpec, nowMs: number): Window {
  const { window } = spec;
  return window.type === 'count'
    ? new CountWindow(spec, window.size)
    : new TimeWindow(spec, window.durationMs, window.buckets, nowMs);
}

/**
 * The window of a circuit whose settings change. Kept is what the new one can hold: all of it when only thresholds
 * changed, the newest calls when both count calls, else nothing.
 */
export function replaceWindow(old: Window, oldSpec: WindowSpec, spec: WindowSpec, nowMs: number): Window {
  if (sameSpec(oldSpec, spec)) return old;
  const fresh = createWindow(spec, nowMs);
  if (fresh instanceof CountWindow && old instanceof CountWindow) fresh.replay(old);
  if (fresh instanceof TimeWindow && old instanceof TimeWindow && sameBuckets(oldSpec, spec)) {
    old.roll(nowMs);
    fresh.adopt(old);
  }
  return fresh;
}
