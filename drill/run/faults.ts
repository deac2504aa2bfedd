import { machineMs, until } from '../clock.js';
import type { Fault } from '../scenario/scenario.js';
import { NO_TROUBLE } from '../server/trouble.js';
import type { ServerSeat } from './server-seat.js';

/** The servers of a cell. */
export interface Seats {
  readonly primaries: readonly ServerSeat[];
  readonly secondary: ServerSeat;
}

/** Puts the servers through the faults of a scenario, each at its time. The faults of the client are up to the client process. */
export async function sufferServerFaults(
  faults: readonly Fault[],
  seats: Seats,
  triggerAtMs: number,
  faultMs: number,
): Promise<void> {
  await Promise.all(faults.map((fault) => suffer(fault, seats, triggerAtMs, faultMs)));
}

async function suffer(fault: Fault, seats: Seats, triggerAtMs: number, faultMs: number): Promise<void> {
  if (fault.kind === 'client-stall' || fault.kind === 'clock-step') return;
  const at = (ms: number) => until(triggerAtMs + ms);
  const seat = seatOf(seats, fault.server ?? 0);
  const begin = fault.kind === 'resets' ? 0 : fault.atMs;
  await at(begin);
  switch (fault.kind) {
    case 'kill':
      return seat.kill(triggerAtMs + fault.backAtMs - machineMs());
    case 'drain':
      return seat.drain(triggerAtMs + fault.backAtMs - machineMs());
    case 'stop':
      seat.stop();
      await at(fault.untilMs);
      return seat.continue();
    case 'trouble': {
      const { model, trouble, untilMs = faultMs } = fault;
      seat.trouble(model, trouble, untilMs - begin);
      await at(untilMs);
      return seat.trouble(model, NO_TROUBLE, 0);
    }
    case 'reset':
      return seat.reset(fault.whenInFlight);
    case 'resets':
      seat.resets(fault.everyMs);
      await at(faultMs);
      return seat.resets(Number.POSITIVE_INFINITY);
  }
}

function seatOf({ primaries, secondary }: Seats, server: number | 'secondary'): ServerSeat {
  const seat = server === 'secondary' ? secondary : primaries[server];
  if (seat === undefined)
    throw new RangeError(`fault.server: expected below ${primaries.length}, got ${server}`);
  return seat;
}

/** The number of processes that a server will need besides its first. */
export function replacementsOf(faults: readonly Fault[], server: number, dies: boolean): number {
  const planned = faults.filter(
    (fault) => (fault.kind === 'kill' || fault.kind === 'drain') && (fault.server ?? 0) === server,
  ).length;
  return planned + (dies ? 1 : 0);
}
