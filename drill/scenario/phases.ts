import type { Scenario, ServerSpec } from './scenario.js';

/** How long each part of a drill takes, in milliseconds. */
export interface Phases {
  readonly calmMs: number;
  readonly faultMs: number;
  readonly afterMs: number;
}

/**
 * `quick` halves the times before and after the trouble. The trouble lasts as long as usual, unless the scenario has a time
 * for `quick`.
 */
export function phasesOf(scenario: Scenario, quick: boolean): Phases {
  const { calmMs = 3_000, afterMs = 8_000, faultMs, quickFaultMs = faultMs } = scenario;
  const { quickAfterMs = Math.min(afterMs, 5_000) } = scenario;
  if (!quick) return { calmMs, faultMs, afterMs };
  return { calmMs: calmMs / 2, faultMs: quickFaultMs, afterMs: quickAfterMs };
}

/** The number of client processes that go through the scenario, one after the other. */
export function startsOf({ starts = 1, quickStarts = starts }: Scenario, quick: boolean): number {
  return quick ? quickStarts : starts;
}

/** A server's specification with everything filled in. */
export type FullServerSpec = Required<Omit<ServerSpec, 'cold' | 'dies'>> & Pick<ServerSpec, 'cold' | 'dies'>;

export function fullSpec(spec: ServerSpec = {}): FullServerSpec {
  return {
    count: 1,
    models: ['large'],
    serviceMs: 20,
    concurrency: 64,
    maxQueued: 1_000,
    tls: false,
    ...spec,
  };
}

/** The most calls per second that one server answers when all is well. */
export function capacityOf({ concurrency, serviceMs }: FullServerSpec): number {
  return (concurrency * 1_000) / serviceMs;
}
