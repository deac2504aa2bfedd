import { credentials } from '@grpc/grpc-js';
import { machineMs } from '../clock.js';
import type { Setting } from '../contestants/contestant.js';
import { CONTESTANTS } from '../contestants/index.js';
import { fullSpec, phasesOf } from '../scenario/phases.js';
import { type PlannedCall, planTraffic } from '../scenario/traffic.js';
import { SCENARIOS } from '../scenarios/index.js';
import { tlsRoot } from '../server/listener.js';
import { sufferClientFaults } from './client-faults.js';
import { openFallback } from './fallback.js';
import type { ClientNotice, ClientRecord, ClientStart } from './messages.js';
import { Recorder } from './recorder.js';

/** Calls before the drill. */
const WARM_UP_CALLS = 20;

async function drill(start: ClientStart): Promise<ClientRecord> {
  const scenario = byName(SCENARIOS, start.scenario);
  const { traffic, faults } = scenario;
  const { tls, count } = fullSpec(scenario.servers);
  const recorder = new Recorder();
  const fallback = openFallback(start.secondary);
  const setting: Setting = {
    target: start.target,
    credentials: tls ? credentials.createSsl(tlsRoot()) : credentials.createInsecure(),
    options: {
      ...(tls && { 'grpc.ssl_target_name_override': 'localhost' }),
      ...(count > 1 && {
        'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
      }),
    },
    sent: recorder.sent,
    deadlineMs: traffic.deadlineMs,
    fallback,
    report: recorder.report,
  };
  const caller = byName(CONTESTANTS, start.contestant).open(setting);
  const phases = phasesOf(scenario, start.quick);
  const plan = planTraffic(scenario, phases, start.seed);
  if (phases.calmMs > 0) await warmUp((call) => recorder.make(caller, traffic.kind ?? 'unary', call), plan);
  recorder.calls.length = 0;
  const suffering = sufferClientFaults(faults, start.triggerAtMs);
  await drive(plan, start.triggerAtMs, (call) => recorder.make(caller, traffic.kind ?? 'unary', call));
  await suffering;
  caller.close();
  fallback.close();
  return { triggerAtMs: start.triggerAtMs, calls: recorder.calls, states: recorder.states };
}

/**
 * Makes calls until the client is connected and its code compiled. Otherwise the first calls of several clients that start
 * side by side would wait for each other.
 */
async function warmUp(
  make: (call: PlannedCall) => Promise<void>,
  plan: readonly PlannedCall[],
): Promise<void> {
  const first = plan.find(
    ({ bad, leavesAfterMs, counted }) => !bad && leavesAfterMs === undefined && counted,
  );
  if (first === undefined) return;
  for (let id = -1; id >= -WARM_UP_CALLS; id--) await make({ ...first, id });
}

/** Makes each call at its time, however the earlier calls ended. Resolves when all calls are over. */
async function drive(
  plan: readonly PlannedCall[],
  triggerAtMs: number,
  make: (call: PlannedCall) => Promise<void>,
): Promise<void> {
  const calls: Promise<void>[] = [];
  await new Promise<void>((resolve) => {
    const turn = () => {
      const now = machineMs() - triggerAtMs;
      let next = plan[calls.length];
      for (; next !== undefined && next.atMs <= now; next = plan[calls.length]) calls.push(make(next));
      if (next === undefined) resolve();
      else setTimeout(turn, next.atMs - now);
    };
    turn();
  });
  await Promise.all(calls);
}

function byName<T extends { readonly name: string }>(things: readonly T[], name: string): T {
  const found = things.find((thing) => thing.name === name);
  if (found === undefined)
    throw new RangeError(`expected one of ${things.map((thing) => thing.name)}, got ${name}`);
  return found;
}

const notify = (notice: ClientNotice, then?: () => void) =>
  process.send?.(notice, undefined, undefined, then);

process.once('message', (start: ClientStart) => {
  drill(start).then(
    (record) => notify({ kind: 'done', record }, () => process.exit(0)),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));
notify({ kind: 'ready' });
