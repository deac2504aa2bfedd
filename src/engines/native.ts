import { MachineCircuit } from '../circuit/machine-circuit.js';
import { NativeMachine } from '../circuit/native-machine.js';
import { compileSettings } from '../circuit/options/settings.js';
import { ThrottleMachine } from '../circuit/throttle-machine.js';
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
      'signal',
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
    recovery: true,
  }),
  configure(options, field) {
    const settings = compileSettings(options, field);
    const { throttle } = settings.options;
    const machineOf =
      throttle === false
        ? (circuit: MachineCircuit) => new NativeMachine(circuit, settings)
        : (circuit: MachineCircuit) => new ThrottleMachine(circuit, settings, throttle);
    return (key, environment) => new MachineCircuit(key, settings.options, environment, machineOf);
  },
});
