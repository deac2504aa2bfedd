import { Connection } from '../call/connection.js';
import { connectionTroubleOf } from '../call/connection-trouble.js';
import { serverOutcome } from '../call/permits.js';
import type { CircuitRecovery, Permit } from '../circuit/types.js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { Clock } from '../clock.js';
import { type ClientChannel, KnownChannels, type OtherInterceptors } from '../recovery/channels.js';
import type { Readiness, ReadinessCheck } from '../recovery/check.js';
import { channelCheck } from '../recovery/connectivity.js';
import type { RecoverySettings } from '../recovery/options.js';
import { canBeProbed, probeLimitMs } from '../recovery/probe-limit.js';
import type { AnyMethod, EndedProbe } from '../recovery/synthetic-call.js';
import { type ProbeVerdict, SyntheticProbes } from '../recovery/synthetic-probes.js';
import { type CheckedCircuit, ReadinessWatch } from '../recovery/watch.js';
import { normalStatus } from '../status/normal-status.js';
import { pushbackOf } from '../status/push-back.js';
import type { Emitter } from '../telemetry/emitter.js';
import type { GuardEvents } from '../telemetry/events.js';
import type { Slot } from './circuit-line.js';
import type { MethodSettings } from './method-settings.js';
import { reportProbe } from './report-probe.js';

/** The outcome of each readiness answer, for events and counts. */
const OUTCOMES: Readonly<Record<Readiness, Outcome>> = {
  ready: 'success',
  'not-ready': 'failure',
  'no-answer': 'ignored',
  unsupported: 'caller-error',
};

/** How many methods are kept; bounded, because a method's name may be a caller's text. */
const MOST_METHODS = 1000;

/** The servers of a target: the channels to them, the state of the connection, and the check by these channels. */
export interface Target {
  readonly channels: KnownChannels;
  readonly connection: Connection;
  readonly check: ReadinessCheck;
}

/** Lets the open circuits of a guard find out that their servers are back, by readiness checks and synthetic probes. */
export class Recoveries {
  readonly #clock: Clock;
  readonly #events: Emitter<GuardEvents>;
  readonly #settingsOf: (method: string) => MethodSettings;
  readonly #watch: ReadinessWatch;
  readonly #probes: SyntheticProbes;
  /** The definitions of the methods that were called, for synthetic probes. */
  readonly #methods = new Map<string, AnyMethod>();
  /** The interceptors and clients of a target own its `Target`, which is collected with them: targets come and go, like pods. */
  readonly #targets = new Map<string, WeakRef<Target>>();
  readonly #forgotten = new FinalizationRegistry<string>((name) => {
    if (this.#known(name) === undefined) this.#targets.delete(name);
  });
  /** The slots of the circuits that are checked, for events. */
  readonly #slots = new WeakMap<CheckedCircuit, Slot>();

  constructor(
    clock: Clock,
    random: () => number,
    events: Emitter<GuardEvents>,
    settingsOf: (method: string) => MethodSettings,
  ) {
    this.#clock = clock;
    this.#events = events;
    this.#settingsOf = settingsOf;
    this.#watch = new ReadinessWatch(clock, random, {
      answered: (circuit, answer, durationMs) => this.#answered(circuit, answer, durationMs),
      warn: (error, source) => events.warnings.report(error, source),
    });
    this.#probes = new SyntheticProbes(clock, (error, source) => events.warnings.report(error, source));
  }

  /** Called at the first call of a method. */
  met(definition: AnyMethod): void {
    if (this.#methods.size < MOST_METHODS) this.#methods.set(definition.path, definition);
  }

  /** How many targets are kept: those in use, and those that are not collected yet. */
  get targets(): number {
    return this.#targets.size;
  }

  /** The target with this name. All its interceptors share one object, and keep it alive. */
  targetOf(name: string): Target {
    const known = this.#known(name);
    if (known !== undefined) return known;
    const channels = new KnownChannels();
    const target = { channels, connection: new Connection(), check: channelCheck(() => channels) };
    this.#targets.set(name, new WeakRef(target));
    this.#forgotten.register(target, name);
    return target;
  }

  #known(name: string): Target | undefined {
    return this.#targets.get(name)?.deref();
  }

  /** A function that notes the channel of each call of a target. */
  shown(name: string): (channel: ClientChannel, others: OtherInterceptors) => void {
    const target = this.targetOf(name);
    return (channel, others) => {
      target.connection.channel = channel;
      target.channels.show(channel, others);
    };
  }

  /** The time of each circuit's next check, by circuit key, in milliseconds since the epoch. */
  nextChecks(): Map<string, number> {
    const next = this.#watch.next();
    const aheadMs = this.#clock.epochMs() - this.#clock.now();
    for (const [key, atMs] of next) next.set(key, atMs + aheadMs);
    return next;
  }

  /** Called when a circuit has opened. Never throws, because the call that opened the circuit must not get an error from here. */
  opened(slot: Slot): void {
    this.#events.warnings.watch(() => this.#recover(slot), `recovery of ${slot.shelf.method}`);
  }

  #recover(slot: Slot): void {
    const { key, part, circuit, shelf } = slot;
    const { recovery } = circuit;
    const { method, target } = shelf;
    const { recovery: settings } = this.#settingsOf(method);
    if (recovery === undefined || settings === undefined) return;
    const known = this.#known(target);
    if (settings.probeWith !== undefined) this.#probeSynthetically(slot, settings, recovery);
    if (settings.check === false) return;
    const check =
      settings.check ?? (known !== undefined && known.channels.size > 0 ? known.check : undefined);
    if (check === undefined) return;
    const isGone = () => isEvicted(slot);
    const checked = { circuitKey: key, method, keyPart: part, recovery, settings, check, isGone };
    this.#slots.set(checked, slot);
    this.#watch.add(checked);
  }

  #probeSynthetically(slot: Slot, settings: RecoverySettings, recovery: CircuitRecovery): void {
    const { key, part, circuit, shelf } = slot;
    const { method, target } = shelf;
    const definition = this.#methods.get(method);
    const client = settings.client ?? this.#known(target)?.channels.client;
    if (definition === undefined || !canBeProbed(definition) || client === undefined) {
      const missing =
        client === undefined ? 'a client: set recovery.client' : 'a unary method that was called';
      const error = new Error(`expected ${missing}; callers' calls are the probes`);
      this.#events.warnings.report(error, `probeWith of ${method}`);
      return;
    }
    const { defaultDeadlineMs } = this.#settingsOf(method);
    const limitMs = probeLimitMs(circuit, defaultDeadlineMs, slot.usualLatency.ms);
    const settle = (permit: Permit, ended: EndedProbe) => this.#settle(slot, permit, ended);
    const what = { circuitKey: key, method, keyPart: part, isGone: () => isEvicted(slot) };
    this.#probes.add({ ...what, recovery, settings, definition, client, limitMs, settle });
  }

  /** Settles a synthetic probe, which is classified like a caller's call. */
  #settle(
    slot: Slot,
    permit: Permit,
    { status, response, durationMs, isConnecting }: EndedProbe,
  ): ProbeVerdict {
    const { classifier } = this.#settingsOf(slot.shelf.method);
    const ended = normalStatus(status);
    const { code, details, metadata } = ended;
    const byMessage = response === undefined ? undefined : classifier.classifyMessage(response);
    const models = byMessage ?? classifier.classify(code, details, metadata, durationMs);
    const bad = isUnhealthy(models);
    const trouble = bad ? connectionTroubleOf(ended) : undefined;
    const circumstances = trouble ?? (isConnecting ? { connecting: true } : undefined);
    const isParent = slot.part === '' && slot.shelf.options.parent !== undefined;
    const outcome = isParent ? serverOutcome(models, code, trouble?.lostConnection) : models;
    permit.settle(outcome, durationMs, bad ? pushbackOf(metadata) : 0, circumstances);
    const isSent = trouble?.notSent !== true;
    reportProbe(this.#events, this.#clock, slot, {
      kind: 'synthetic',
      outcome: isSent ? outcome : 'ignored',
      durationMs,
    });
    if (!isSent) return 'not-sent';
    if (outcome !== 'ignored') return 'evidence';
    const error = new Error(`no evidence about the server (${details}); callers' calls are the probes`);
    this.#events.warnings.report(error, `probeWith of ${slot.shelf.method}`);
    return 'nothing';
  }

  close(): void {
    this.#watch.close();
    this.#probes.close();
    this.#methods.clear();
    for (const target of this.#targets.values()) target.deref()?.channels.clear();
  }

  #answered(circuit: CheckedCircuit, answer: Readiness, durationMs: number): void {
    const slot = this.#slots.get(circuit);
    if (slot === undefined) return;
    // before the event, because a listener that reads the state would make the circuit half-open
    this.#probes.look(circuit.circuitKey);
    reportProbe(this.#events, this.#clock, slot, {
      kind: 'readiness',
      outcome: OUTCOMES[answer],
      durationMs,
    });
  }
}

function isEvicted(slot: Slot): boolean {
  return slot.shelf.slots.get(slot.part) !== slot;
}
