import { seededRandom } from 'failsoft/testing';
import type { CellRecord } from '../run/cell.js';
import { fullSpec, phasesOf } from '../scenario/phases.js';
import type { Fault, Scenario } from '../scenario/scenario.js';
import { planTraffic } from '../scenario/traffic.js';
import { Channel } from './channel.js';
import { Network } from './network.js';
import { SimClient } from './sim-client.js';
import { SimServer } from './sim-server.js';
import type { SimContestant } from './strategies.js';
import { VirtualClock } from './virtual-clock.js';

/** Why a scenario does not run in the simulator; undefined where it does. */
export function whyNotSimulated({ faults, servers, starts, traffic }: Scenario): string | undefined {
  const { count } = fullSpec(servers);
  if (count > 1) return 'the simulator has no load balancer';
  if (starts !== undefined) return 'the simulator has no compiler and no TLS';
  if (traffic.kind === 'stream') return 'the simulator has no streams';
  const ofTheProcess = faults.find(({ kind }) => kind === 'client-stall' || kind === 'clock-step');
  if (ofTheProcess !== undefined)
    return 'a simulated client has no process that could stand still, and no wall clock';
  if (faults.some((fault) => 'server' in fault && fault.server === 'secondary'))
    return 'the secondary of the simulator never fails';
  return undefined;
}

/** Runs one cell in virtual time. Its result has the shape of a result of the wire. */
export function simulateCell(
  scenario: Scenario,
  contestant: SimContestant,
  seed: number,
  quick: boolean,
  sampleMs?: number,
): CellRecord {
  const phases = phasesOf(scenario, quick);
  const clock = new VirtualClock();
  const { deadlineMs } = scenario.traffic;
  const spec = fullSpec(scenario.servers);
  const server = new SimServer(spec, clock, seededRandom(seed * 100), deadlineMs);
  server.sample(sampleMs);
  const network = new Network(clock, seededRandom(seed * 100 + 1));
  const random = seededRandom(seed * 100 + 2);
  const channel = new Channel(server, network, clock, random, contestant.backoff);
  const client = new SimClient(contestant, channel, clock, random, spec.serviceMs);
  // Long enough that no time is negative.
  const triggerAtMs = phases.calmMs + 1_000;
  for (const call of planTraffic(scenario, phases, seed * 1_000 + 1))
    clock.setTimer(() => client.call(call), triggerAtMs + call.atMs);
  for (const fault of scenario.faults) suffer(fault, server, clock, triggerAtMs, phases.faultMs);
  clock.runUntil(triggerAtMs + phases.faultMs + phases.afterMs + deadlineMs + 1_000);
  return { clients: [{ triggerAtMs, calls: client.calls, states: client.states }], servers: [server] };
}

function suffer(
  fault: Fault,
  server: SimServer,
  clock: VirtualClock,
  triggerAtMs: number,
  faultMs: number,
): void {
  if (fault.kind === 'client-stall' || fault.kind === 'clock-step') return;
  const begin = fault.kind === 'resets' ? 0 : fault.atMs;
  clock.setTimer(() => {
    switch (fault.kind) {
      case 'kill':
      case 'drain':
        return server.kill(fault.backAtMs - begin);
      case 'stop':
        return server.stop(fault.untilMs - begin);
      case 'trouble':
        return server.trouble(fault.model, fault.trouble, (fault.untilMs ?? faultMs) - begin);
      case 'reset':
        return server.resetWhen(fault.whenInFlight);
      case 'resets':
        return server.limitAge(fault.everyMs, faultMs);
    }
  }, triggerAtMs + begin);
}
