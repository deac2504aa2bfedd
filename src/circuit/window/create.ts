import { CountWindow } from './count-window.js';
import { TimeWindow } from './time-window.js';
import type { Window, WindowSpec } from './window.js';

export function createWindow(spec: WindowSpec, nowMs: number): Window {
  const { window } = spec;
  return window.type === 'count'
    ? new CountWindow(spec, window.size)
    : new TimeWindow(spec, window.durationMs, window.buckets, nowMs);
}
