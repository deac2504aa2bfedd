import type { CircuitOptions } from 'failsoft';
import { tunedCircuit } from '../contestants/failsoft-tuned.js';

/** How a simulated client calls: what a contestant of the wire comes to without grpc-js. */
export interface SimContestant {
  readonly name: string;
  /** Of the real circuit; undefined: none, and no fallback. */
  readonly circuit?: CircuitOptions;
  /** A circuit per model rather than one per method. */
  readonly perModel: boolean;
  /** Kept of the deadline for the fallback. */
  readonly reserveShare: number;
  readonly maxBackoffMs?: number;
}

/** The contestants of the wire whose parts do not depend on a process's own clock. */
export function simContestants(deadlineMs: number): readonly SimContestant[] {
  return [
    { name: 'none', perModel: false, reserveShare: 0 },
    { name: 'failsoft', circuit: {}, perModel: true, reserveShare: 0 },
    {
      name: 'failsoft-tuned',
      circuit: tunedCircuit(deadlineMs),
      perModel: true,
      reserveShare: 0.2,
      maxBackoffMs: 1_000,
    },
  ];
}
