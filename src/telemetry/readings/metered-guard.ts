import type { CircuitSnapshot } from '../../circuit/types.js';
import type { AnswerCount } from '../answers.js';
import type { AttemptCount } from '../attempts.js';
import type { ObserveCall } from '../call-observers.js';
import type { ProbeCount, TransitionCount } from '../counts.js';
import type { Listener } from '../emitter.js';
import type { GuardEvents } from '../events.js';
import type { SecondaryReading } from '../secondary-reading.js';
import type { StoreReading } from '../store-reading.js';

/** The part of a guard from which metrics are read; every `Guard` has it. */
export interface MeteredGuard {
  /** As in `Guard`. */
  on<K extends keyof GuardEvents>(event: K, listener: Listener<GuardEvents[K]>): () => void;
  /** As in `Guard`. */
  observe(observer: ObserveCall): () => void;
  /** As in `Guard`. */
  snapshots(): CircuitSnapshot[];
  /** As in `Guard`. */
  answers(): AnswerCount[];
  /** As in `Guard`. */
  attempts(): AttemptCount[];
  /** As in `Guard`. */
  transitions(): TransitionCount[];
  /** As in `Guard`. */
  probes(): ProbeCount[];
  /** As in `Guard`. */
  secondaries(): SecondaryReading[];
  /** As in `Guard`. */
  stores(): StoreReading[];
}

const METHODS = [
  'on',
  'observe',
  'snapshots',
  'answers',
  'attempts',
  'transitions',
  'probes',
  'secondaries',
  'stores',
];

/** Whether a value has the methods of a guard. */
export function isMeteredGuard(value: unknown): value is MeteredGuard {
  if (typeof value !== 'object' || value === null) return false;
  return METHODS.every((name) => typeof Reflect.get(value, name) === 'function');
}

/** The part of a deferred queue from which metrics are read; every `DeferredQueue` has it. */
export interface MeteredQueue {
  /** How many jobs it holds now. */
  counts(): Promise<{
    /** Jobs that wait. */
    readonly waiting: number;
    /** Jobs that are taken. */
    readonly active: number;
    /** Jobs that were given up. */
    readonly dead: number;
    /** The size of the waiting and taken jobs, in bytes. */
    readonly bytes: number;
  }>;
}
