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

/** What a readiness answer says about the server, in the words of events and counts. */
const OUTCOMES: Readonly<Record<Readiness, Outcome>> = {
  ready: 'success',
  'not-ready': 'failure',
  'no-answer': 'ignored',
  unsupported: 'caller-error',
};

/** So many methods are remembered: a method's name may be a caller's text. */
const MOST_METHODS = 1000;

/** What a guard knows of the servers of one target: the channels to them, and the check that these allow. */
export interface Target {
  readonly channels: KnownChannels;
  readonly connection: Connection;
  readonly check: ReadinessCheck;
}

/** How the open circuits of a guard find out that their servers are back. */
export class Recoveries {
  readonly #clock: Clock;
  readonly #events: Emitter<GuardEvents>;
  readonly #settingsOf: (method: string) => MethodSettings;
  readonly #watch: ReadinessWatch;
  readonly #probes: SyntheticProbes;
  /** How the methods' messages are written and read: from their calls. */
  readonly #methods = new Map<string, AnyMethod>();
  /** Each belongs to the interceptors and clients of the target, and is forgotten with them: targets come and go, as pods do. */
  readonly #targets = new Map<string, WeakRef<Target>>();
  readonly #forgotten = new FinalizationRegistry<string>((name) => {
    if (this.#known(name) === undefined) this.#targets.delete(name);
  });
  /** The circuits that are checked, for events. */
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

  /** A method is called for the first time. */
  met(definition: AnyMethod): void {
    if (this.#methods.size < MOST_METHODS) this.#methods.set(definition.path, definition);
  }

  /** How many targets are remembered: those that are in use, and those that were not collected yet. */
  get targets(): number {
    return this.#targets.size;
  }

  /** The same for all interceptors of the target, which keep it. */
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

  /** Takes the channel of each call of a target. */
  shown(name: string): (channel: ClientChannel, others: OtherInterceptors) => void {
    const target = this.targetOf(name);
    return (channel, others) => {
      target.connection.channel = channel;
      target.channels.show(channel, others);
    };
  }

  /** When each circuit is checked next, by its key, in milliseconds since the epoch. */
  nextChecks(): Map<string, number> {
    const next = this.#watch.next();
    const aheadMs = this.#clock.epochMs() - this.#clock.now();
    for (const [key, atMs] of next) next.set(key, atMs + aheadMs);
    return next;
  }

  /** A call opened a circuit: an error in here must not reach it. */
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
      const error = new Error(`expected ${missing}; callers are the probes`);
      this.#events.warnings.report(error, `probeWith of ${method}`);
      return;
    }
    const { defaultDeadlineMs } = this.#settingsOf(method);
    const limitMs = probeLimitMs(circuit, defaultDeadlineMs, slot.usualLatency.ms);
    const settle = (permit: Permit, ended: EndedProbe) => this.#settle(slot, permit, ended);
    const what = { circuitKey: key, method, keyPart: part, isGone: () => isEvicted(slot) };
    this.#probes.add({ ...what, recovery, settings, definition, client, limitMs, settle });
  }

  /** A synthetic probe is judged as a caller's call is. */
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
    const error = new Error(`it says nothing about the server (${details}); callers are the probes`);
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
    // before the state is read: reading it would make a half-open circuit of it
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
