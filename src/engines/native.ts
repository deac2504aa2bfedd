import { NativeCircuit } from '../circuit/circuit.js';
import { compileSettings } from '../circuit/settings.js';
import { ThrottleCircuit } from '../circuit/throttle.js';
import type { Engine } from './engine.js';

/** failsoft's own circuits, the default: every rule and window, and the least cost per call. */
export const nativeEngine: Engine = Object.freeze<Engine>({
  name: 'native',
  capabilities: Object.freeze({
    tripRules: new Set([
      'consecutive-failures',
      'failure-rate',
      'slow-rate',
      'latency-percentile',
      'adaptive',
    ] as const),
    windows: new Set(['count', 'time'] as const),
    severalProbes: true,
    ramp: true,
    openTimeBackoff: true,
    concurrency: true,
    throttle: true,
    restore: true,
    reconfigure: true,
    percentiles: true,
    staleProtection: true,
    ignoredProbes: true,
  }),
  configure(options, field) {
    const settings = compileSettings(options, field);
    const { throttle } = settings.options;
    return throttle === false
      ? (key, environment) => new NativeCircuit(key, settings, environment)
      : (key, environment) => new ThrottleCircuit(key, settings, throttle, environment);
  },
});
