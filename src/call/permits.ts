import { status } from '@grpc/grpc-js';
import type { Circumstances, Permit, Rejection } from '../circuit/types.js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { FailsoftCallOptions } from '../guard/call-options.js';
import type { Entry } from '../guard/circuit-registry.js';
import { reportProbe } from '../guard/report-probe.js';
import type { ObservableCall } from './record-end.js';

/** A rejection and its circuit. */
export interface RejectedBy {
  readonly entry: Entry;
  readonly rejection: Rejection;
}

/** The parts of a call that its permits need. The options may set the mode of its circuits, and its priority. */
export interface AdmittedCall extends ObservableCall {
  readonly callOptions: FailsoftCallOptions;
}

/** A call's permits: that of its circuit, and that of the parent circuit. They are settled together, once. */
export class Permits {
  private readonly call: ObservableCall;
  private readonly entry: Entry;
  private readonly own: Permit | undefined;
  private readonly parent: Permit | undefined;
  private isSettled = false;

  private constructor(
    call: ObservableCall,
    entry: Entry,
    own: Permit | undefined,
    parent: Permit | undefined,
  ) {
    this.call = call;
    this.entry = entry;
    this.own = own;
    this.parent = parent;
  }

  /** Acquires the permits of a call. */
  static acquire(call: AdmittedCall, entry: Entry): Permits | RejectedBy {
    const { observed } = call;
    const before = observed?.enter();
    try {
      return Permits.acquireEach(call, entry);
    } finally {
      observed?.leave(before);
    }
  }

  private static acquireEach(call: AdmittedCall, entry: Entry): Permits | RejectedBy {
    const { mode = 'enforce', priority = call.method.settings.priority } = call.callOptions;
    if (mode === 'off') return new Permits(call, entry, undefined, undefined);
    const own = entry.circuit.acquire(priority);
    if (!own.admitted && mode === 'enforce') return { entry, rejection: own };
    const above = entry.parent;
    const parent = above?.circuit.acquire(priority);
    if (above !== undefined && parent?.admitted === false && mode === 'enforce') {
      if (own.admitted) own.withdraw();
      return { entry: above, rejection: parent };
    }
    return new Permits(call, entry, own.admitted ? own : undefined, parent?.admitted ? parent : undefined);
  }

  /** Whether the call is the probe of a half-open circuit. */
  get probe(): boolean {
    return this.own?.probe === true || this.parent?.probe === true;
  }

  settle(
    outcome: Outcome,
    code: status,
    durationMs: number,
    pushbackMs: number,
    circumstances?: Circumstances,
  ): void {
    if (this.isSettled) return;
    this.isSettled = true;
    const { observed } = this.call;
    const before = observed?.enter();
    try {
      this.settleEach(outcome, code, durationMs, pushbackMs, circumstances);
    } finally {
      observed?.leave(before);
    }
    if (this.probe) this.reportProbes(outcome, code, durationMs, circumstances);
  }

  private settleEach(
    outcome: Outcome,
    code: status,
    durationMs: number,
    pushbackMs: number,
    circumstances: Circumstances | undefined,
  ): void {
    this.own?.settle(outcome, durationMs, pushbackMs, circumstances);
    if (this.parent === undefined) return;
    const servers = serverOutcome(outcome, code, circumstances?.lostConnection);
    this.parent.settle(servers, durationMs, pushbackMs, circumstances);
  }

  private reportProbes(
    outcome: Outcome,
    code: status,
    durationMs: number,
    circumstances: Circumstances | undefined,
  ): void {
    const { clock, events } = this.call.method;
    const { entry, own, parent } = this;
    const counted = circumstances?.notSent === true ? 'ignored' : outcome;
    const servers = serverOutcome(counted, code, circumstances?.lostConnection);
    const kind = 'call';
    if (own?.probe === true) reportProbe(events, clock, entry, { kind, outcome: counted, durationMs });
    if (parent?.probe === true && entry.parent !== undefined)
      reportProbe(events, clock, entry.parent, { kind, outcome: servers, durationMs });
  }
}

/** The outcome for the parent circuit, which guards the server: any answer, even of a broken or busy model, shows it is up. */
export function serverOutcome(
  outcome: Outcome,
  code: status,
  lost: Circumstances['lostConnection'],
): Outcome {
  if (outcome === 'ignored') return 'ignored';
  // grpc-js ends some lost calls with codes that answers have as well
  if (lost !== undefined && isUnhealthy(outcome)) return lost === true ? 'failure' : 'ignored';
  const unreachable = code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED;
  return outcome === 'failure' && unreachable ? 'failure' : 'success';
}
