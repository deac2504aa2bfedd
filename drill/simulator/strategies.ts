import { type CircuitOptions, createGuard } from 'failsoft';
import { tunedCircuit } from '../contestants/failsoft-tuned.js';
import type { Backoff } from './channel.js';

/** A simulated client: a contestant of the wire without grpc-js. */
export interface SimContestant {
  readonly name: string;
  /** The options of the real circuit; undefined: no circuit and no fallback. */
  readonly circuit?: CircuitOptions;
  /** Whether each model has a circuit; otherwise each method has one. */
  readonly perModel: boolean;
  /** The part of the deadline that is kept for the fallback, in milliseconds. */
  readonly reserveMs: number;
  /** Whether its probes are synthetic; otherwise they are callers' calls. */
  readonly isSynthetic?: boolean;
  /** @default the waits of grpc-js */
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

/** failsoft's default reserve for fallbacks that call something is a fifth of the deadline, and at most this. */
const MOST_RESERVED_MS = 100;

/**
 * The contestants of the wire that can run in virtual time, because they take a clock; opossum and cockatiel read the
 * process's own.
 */
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
    {
      ...{ name: 'failsoft-tuned', circuit: tuned, perModel: true, isSynthetic: true },
      ...{ reserveMs, backoff: guardedBackoff(tuned) },
    },
  ];
}
