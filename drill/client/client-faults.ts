import { until } from '../clock.js';
import type { Fault } from '../scenario/scenario.js';

/** Puts this process through the client faults of a scenario. */
export async function sufferClientFaults(faults: readonly Fault[], triggerAtMs: number): Promise<void> {
  for (const fault of faults) {
    if (fault.kind !== 'client-stall' && fault.kind !== 'clock-step') continue;
    await until(triggerAtMs + fault.atMs);
    if (fault.kind === 'client-stall') standStill(fault.forMs);
    else stepClock(fault.byMs);
  }
}

/** Sleeps. A busy loop would take the processors from the servers and from the other cells, which stand still at the same time. */
function standStill(forMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
}

/** How far the wall clock of this process is ahead, in milliseconds. */
let aheadMs = 0;

/** Does the same to the process as `settimeofday`: `Date` jumps; the monotonic clocks and the timers do not. */
function stepClock(byMs: number): void {
  if (aheadMs === 0) globalThis.Date = steppedDate(globalThis.Date);
  aheadMs += byMs;
}

function steppedDate(RealDate: DateConstructor): DateConstructor {
  return new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [target.now() + aheadMs] : args, newTarget),
    get: (target, property) =>
      property === 'now' ? () => target.now() + aheadMs : Reflect.get(target, property),
  });
}
