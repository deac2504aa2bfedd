import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { FaultPlan } from 'failsoft/protos/mock';
import type { ServerProcess } from './servers.js';

/** A part of the story: a state of the primary. */
export interface Phase {
  readonly name: string;
  /** Describes the state in the output. */
  readonly description: string;
  /** Runs at the end of the phase before. */
  readonly prepare?: (primary: ServerProcess) => Promise<void>;
  /** Runs when the phase begins. */
  readonly enter?: (primary: ServerProcess, phaseMs: number) => Promise<void>;
}

export const PHASES: readonly Phase[] = [
  { name: 'healthy', description: 'nothing is wrong' },
  {
    name: 'brownout',
    description: 'the primary takes 20 times as long',
    enter: (primary) => primary.setFaults(FaultPlan.fromPartial({ latencyMultiplier: 20 })),
  },
  {
    name: 'failing',
    description: 'the primary answers UNAVAILABLE',
    enter: (primary) => primary.setFaults(FaultPlan.fromPartial({ error: { code: status.UNAVAILABLE } })),
  },
  { name: 'killed', description: 'the primary gets SIGKILL', enter: (primary) => primary.kill() },
  {
    name: 'restarted',
    description: 'the primary listens again, still cold',
    prepare: (primary) => primary.restart(),
    enter: (primary, phaseMs) =>
      primary.setFaults(FaultPlan.fromPartial({ warmUp: { multiplier: 4, durationMs: phaseMs / 2 } })),
  },
  {
    name: 'recovered',
    description: 'nothing is wrong any more',
    enter: (primary) => primary.setFaults(FaultPlan.fromPartial({})),
  },
];

/** The least share of its time that a phase gets, 0 to 1, however long the machine takes to start a process. */
const LEAST_SHARE = 0.8;

/**
 * Puts the primary through the phases, each `phaseMs` long.
 * @param begin called with each phase before it begins
 * @throws the reason of `signal` when it aborts
 */
export async function runPhases(
  primary: ServerProcess,
  phaseMs: number,
  begin: (phase: Phase) => void,
  signal: AbortSignal,
): Promise<void> {
  const startMs = performance.now();
  for (const [index, phase] of PHASES.entries()) {
    await phase.prepare?.(primary);
    signal.throwIfAborted();
    begin(phase);
    // a visitor of the page may have killed the primary
    if (phase.name !== 'killed') await primary.restart();
    await phase.enter?.(primary, phaseMs);
    const nowMs = performance.now();
    const endMs = Math.max(startMs + (index + 1) * phaseMs, nowMs + LEAST_SHARE * phaseMs);
    await sleep(endMs - nowMs, undefined, { signal });
  }
}
