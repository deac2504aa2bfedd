import type { Interceptor } from '@grpc/grpc-js';
import { Connection } from '../call/connection.js';
import type { Outcome } from '../classify/outcome.js';
import type { Clock } from '../clock.js';
import { type ClientChannel, KnownChannels } from '../recovery/channels.js';
import type { Readiness, ReadinessCheck } from '../recovery/check.js';
import { channelCheck } from '../recovery/connectivity.js';
import { ReadinessWatch } from '../recovery/watch.js';
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

/** What a guard knows of the servers of one target: the channels to them, and the check that these allow. */
interface Target {
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
  readonly #targets = new Map<string, Target>();
  /** For events: the circuits that are checked. */
  readonly #slots = new Map<string, Slot>();

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
      answered: ({ circuitKey }, answer, durationMs) => this.#answered(circuitKey, answer, durationMs),
      warn: (error, source) => events.warnings.report(error, source),
    });
  }

  /** What the calls of a target know of their connections; the same for all interceptors of the target. */
  connectionOf(target: string): Connection {
    return this.#targetOf(target).connection;
  }

  /** Takes the channel of each call of a target. */
  shown(target: string): (channel: ClientChannel, interceptors: readonly Interceptor[]) => void {
    const { channels, connection } = this.#targetOf(target);
    return (channel, interceptors) => {
      connection.channel = channel;
      channels.show(channel, interceptors);
    };
  }

  opened(slot: Slot): void {
    const { key, part, circuit, shelf } = slot;
    const { recovery } = circuit;
    const { method, target } = shelf;
    const { recovery: settings } = this.#settingsOf(method);
    if (recovery === undefined || settings === undefined || settings.check === false) return;
    const known = this.#targets.get(target);
    const check =
      settings.check ?? (known !== undefined && known.channels.size > 0 ? known.check : undefined);
    if (check === undefined) return;
    this.#slots.set(key, slot);
    this.#watch.add({ circuitKey: key, method, keyPart: part, recovery, settings, check });
  }

  close(): void {
    this.#watch.close();
    this.#slots.clear();
    for (const { channels } of this.#targets.values()) channels.clear();
  }

  #targetOf(name: string): Target {
    const known = this.#targets.get(name);
    if (known !== undefined) return known;
    const channels = new KnownChannels();
    const target = { channels, connection: new Connection(), check: channelCheck(() => channels) };
    this.#targets.set(name, target);
    return target;
  }

  #answered(circuitKey: string, answer: Readiness, durationMs: number): void {
    const slot = this.#slots.get(circuitKey);
    if (slot === undefined) return;
    if (!slot.isOpen) this.#slots.delete(circuitKey);
    reportProbe(this.#events, this.#clock, slot, {
      kind: 'readiness',
      outcome: OUTCOMES[answer],
      durationMs,
    });
  }
}
