import { type CircuitOptions, createGuard } from 'failsoft';
import { tunedCircuit } from '../contestants/failsoft-tuned.js';
import type { Backoff } from './channel.js';

/** How a simulated client calls: what a contestant of the wire comes to without grpc-js. */
export interface SimContestant {
  readonly name: string;
  /** Of the real circuit; undefined: none, and no fallback. */
  readonly circuit?: CircuitOptions;
  /** A circuit per model rather than one per method. */
  readonly perModel: boolean;
  /** Kept of the deadline for the fallback. */
  readonly reserveMs: number;
  /** @default grpc-js's */
  readonly backoff?: Backoff;
}

/** The waits of a channel that was made with `guard.clientOptions()`. */
export function guardedBackoff(circuit: CircuitOptions): Backoff {
  const options = createGuard({ circuit }).clientOptions();
  return {
    initialMs: Number(options['grpc.initial_reconnect_backoff_ms']),
    maxMs: Number(options['grpc.max_reconnect_backoff_ms']),
  };
}

/** failsoft's own reserve for fallbacks that call something: a fifth of the deadline, at most so much. */
const MOST_RESERVED_MS = 100;

/** The contestants of the wire whose parts do not depend on a process's own clock. */
export function simContestants(deadlineMs: number): readonly SimContestant[] {
  const tuned = tunedCircuit(deadlineMs);
  const reserveMs = deadlineMs / 5;
  return [
    { name: 'none', perModel: false, reserveMs: 0 },
    {
      ...{ name: 'failsoft', circuit: {}, perModel: true },
      reserveMs: Math.min(MOST_RESERVED_MS, reserveMs),
      backoff: guardedBackoff({}),
    },
    { name: 'failsoft-tuned', circuit: tuned, perModel: true, reserveMs, backoff: guardedBackoff(tuned) },
  ];
}
