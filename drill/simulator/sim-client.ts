import { status } from '@grpc/grpc-js';
import {
  type Circuit,
  type Circumstances,
  type Clock,
  nativeEngine,
  type Outcome,
  type Permit,
} from 'failsoft';
import { SECONDARY_MS } from '../client/fallback.js';
import type { CallEnd, CallRecord, StateChange } from '../client/messages.js';
import type { BreakerState } from '../contestants/contestant.js';
import { standardNormal } from '../random.js';
import type { PlannedCall } from '../scenario/traffic.js';
import type { Reply } from '../server/model-server.js';
import type { Channel } from './channel.js';
import { Readiness } from './readiness.js';
import type { SimContestant } from './strategies.js';
import { SyntheticProbing } from './synthetic.js';

/** The time of the secondary and the network together, and its spread, as on the wire. */
const SECONDARY_MEDIAN_MS = 7;
const SECONDARY_SIGMA = 0.2;

/** The largest share of a short deadline that is reserved, 0 to 1. */
const MOST_RESERVED_SHARE = 0.2;
/** failsoft's `minimumDeadlineMs` for the drills' models: a server that had less time than a call usually takes has not failed. */
const LEAST_EVIDENCE_MS = 20;

/** failsoft's default table, for the statuses that the servers of the drills give. */
const OUTCOMES: ReadonlyMap<number, Outcome> = new Map([
  [status.OK, 'success'],
  [status.INVALID_ARGUMENT, 'caller-error'],
  [status.RESOURCE_EXHAUSTED, 'overload'],
]);

/** A client process: the real circuits around a channel. */
export class SimClient {
  readonly calls: CallRecord[] = [];
  readonly states: StateChange[] = [];
  readonly #contestant: SimContestant;
  readonly #channel: Channel;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #makeCircuit: ((model: string) => Circuit) | undefined;
  readonly #circuits = new Map<string, Circuit>();
  /** Called with each call that is over, which is kept unless it returns false. */
  onCall: (call: CallRecord) => boolean = () => true;

  /** @param usualMs the usual latency of the model's calls, for the time limit of synthetic probes */
  constructor(contestant: SimContestant, channel: Channel, clock: Clock, random: () => number, usualMs = 0) {
    this.#contestant = contestant;
    this.#channel = channel;
    this.#clock = clock;
    this.#random = random;
    const { circuit } = contestant;
    if (circuit === undefined) return;
    const factory = nativeEngine.configure(circuit, 'circuit');
    const probing = contestant.isSynthetic ? new SyntheticProbing(channel, clock, usualMs) : undefined;
    const readiness = new Readiness(channel, clock);
    this.#makeCircuit = (model) => {
      const transition = ({ to }: { to: BreakerState }) => {
        this.states.push({ atMs: clock.now(), to });
        if (to !== 'open') return;
        probing?.opened(made, model);
        readiness.opened(made, () => probing?.look(made, model));
      };
      const listener = { transition, isolation: () => {} };
      const made: Circuit = factory('/simulated', { clock, random, listener });
      return made;
    };
  }

  call(planned: PlannedCall): void {
    const begun = this.#clock.now();
    const circuit = this.#circuit(planned.model);
    const admission = circuit?.acquire();
    const over = (end: CallEnd, sent: BreakerState | undefined) => {
      const { id, model, counted } = planned;
      const call = { id, model, counted, atMs: begun, tookMs: this.#clock.now() - begun, end, sent };
      if (this.onCall(call)) this.calls.push(call);
    };
    const state = circuit?.state ?? 'closed';
    if (admission?.admitted === false) this.#fallBack(planned, begun, (end) => over(end, undefined));
    else this.#send(planned, begun, admission, (end) => over(end, state));
  }

  #circuit(model: string): Circuit | undefined {
    const key = this.#contestant.perModel ? model : '';
    const known = this.#circuits.get(key);
    if (known !== undefined) return known;
    const made = this.#makeCircuit?.(model);
    if (made !== undefined) this.#circuits.set(key, made);
    return made;
  }

  #send(planned: PlannedCall, begun: number, permit: Permit | undefined, over: (end: CallEnd) => void): void {
    const { deadlineMs, leavesAfterMs } = planned;
    const given = deadlineMs - Math.min(this.#contestant.reserveMs, deadlineMs * MOST_RESERVED_SHARE);
    const settle = (outcome: Outcome, pushbackMs?: number, circumstances?: Circumstances) =>
      permit?.settle(outcome, this.#clock.now() - begun, pushbackMs, circumstances);
    const stop = () => {
      stopDeadline();
      stopLeaving?.();
      cancel();
    };
    const stopDeadline = this.#clock.setTimer(() => {
      stop();
      settle(given < LEAST_EVIDENCE_MS ? 'ignored' : 'failure');
      if (permit === undefined) over('late');
      else this.#fallBack(planned, begun, over);
    }, given);
    const stopLeaving =
      leavesAfterMs === undefined
        ? undefined
        : this.#clock.setTimer(() => {
            stop();
            settle('ignored');
            over('left');
          }, leavesAfterMs);
    const done = ({ code, pushbackMs }: Reply, circumstances?: Circumstances) => {
      stop();
      const outcome = OUTCOMES.get(code) ?? 'failure';
      settle(outcome, pushbackMs, circumstances);
      if (outcome === 'success' || outcome === 'caller-error') over('primary');
      else if (permit === undefined) over('error');
      else this.#fallBack(planned, begun, over);
    };
    const { id, model, bad } = planned;
    const cancel = this.#channel.send({ id, model, bad, done });
  }

  /** The secondary, and the default where it has no time left. Neither fails. */
  #fallBack({ deadlineMs }: PlannedCall, begun: number, over: (end: CallEnd) => void): void {
    const leftMs = begun + deadlineMs - this.#clock.now();
    const takesMs = SECONDARY_MEDIAN_MS * Math.exp(SECONDARY_SIGMA * standardNormal(this.#random));
    this.#clock.setTimer(() => over('degraded'), Math.max(0, Math.min(takesMs, leftMs, SECONDARY_MS)));
  }
}
