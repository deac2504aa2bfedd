import { status } from '@grpc/grpc-js';
import type { Circumstances, Clock } from 'failsoft';
import type { Reply } from '../server/model-server.js';
import type { Network } from './network.js';
import type { Connection, SimServer } from './sim-server.js';

/** What grpc-js has: https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md, whose jitter is a fifth. */
const BACKOFF_MULTIPLIER = 1.6;
const BACKOFF_JITTER = 0.2;

/** The waits between attempts to connect. */
export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** The waits of a client that sets none. */
export const GRPC_JS_BACKOFF: Backoff = { initialMs: 1_000, maxMs: 120_000 };

/** One call to send. */
export interface Outgoing {
  readonly id: number;
  readonly model: string;
  readonly bad: boolean;
  readonly done: (reply: Reply, circumstances?: Circumstances) => void;
}

/** The channel had no connection for the call. */
const NOT_SENT: Circumstances = { notSent: true };
/** The call's connection broke. */
const LOST: Circumstances = { lostConnection: true };

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly waiting: Set<() => void> }
  | { readonly kind: 'ready'; readonly connection: LiveConnection }
  /** The last attempt failed: calls fail at once until an attempt succeeds. */
  | { readonly kind: 'failing' };

/** A channel of grpc-js to one address. It connects at its first call, and waits longer after each attempt that failed. */
export class Channel {
  readonly #server: SimServer;
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #backoff: Backoff;
  #state: State = { kind: 'idle' };
  #backoffMs: number;
  readonly #reports = new Set<() => void>();

  constructor(
    server: SimServer,
    network: Network,
    clock: Clock,
    random: () => number,
    backoff = GRPC_JS_BACKOFF,
  ) {
    this.#server = server;
    this.#network = network;
    this.#clock = clock;
    this.#random = random;
    this.#backoff = backoff;
    this.#backoffMs = backoff.initialMs;
  }

  get isReady(): boolean {
    return this.#state.kind === 'ready';
  }

  /** Connects where it has not begun to, and reports the next attempt that has ended, once. */
  connectAndReport(report: () => void): void {
    this.#reports.add(report);
    if (this.#state.kind === 'idle') this.#connect();
  }

  /** @returns cancels the call: `done` is not called any more */
  send(call: Outgoing): () => void {
    let cancelled = false;
    let cancel = () => {
      cancelled = true;
    };
    const go = () => {
      if (cancelled) return;
      if (this.#state.kind === 'ready') cancel = this.#state.connection.send(call);
      else call.done({ code: status.UNAVAILABLE }, NOT_SENT);
    };
    if (this.#state.kind === 'idle') this.#connect();
    if (this.#state.kind === 'connecting') this.#state.waiting.add(go);
    else this.#clock.setTimer(go, 0);
    return () => cancel();
  }

  #connect(): void {
    const waiting = this.#state.kind === 'connecting' ? this.#state.waiting : new Set<() => void>();
    if (this.#state.kind === 'idle') this.#state = { kind: 'connecting', waiting };
    const nextAttemptAt = this.#clock.now() + this.#backoffMs;
    const next = Math.min(this.#backoffMs * BACKOFF_MULTIPLIER, this.#backoff.maxMs);
    this.#backoffMs = next * (1 + BACKOFF_JITTER * (2 * this.#random() - 1));
    const connection = new LiveConnection(this.#server, this.#network, () => {
      this.#state = { kind: 'idle' };
    });
    // A way there and a way back: a connection, or a refusal.
    this.#network.carry(() => {
      const accepted = this.#server.connect(connection);
      this.#network.carry(() => this.#connected(accepted, connection, waiting, nextAttemptAt));
    });
  }

  #connected(
    accepted: boolean,
    connection: LiveConnection,
    waiting: ReadonlySet<() => void>,
    nextAttemptAt: number,
  ): void {
    if (accepted && !connection.isBroken) {
      this.#backoffMs = this.#backoff.initialMs;
      this.#state = { kind: 'ready', connection };
    } else {
      this.#state = { kind: 'failing' };
      this.#clock.setTimer(() => this.#connect(), nextAttemptAt - this.#clock.now());
    }
    for (const go of waiting) go();
    for (const report of this.#reports) report();
    this.#reports.clear();
  }
}

/** A connection and the calls on it. */
class LiveConnection implements Connection {
  readonly #server: SimServer;
  readonly #network: Network;
  readonly #onBroken: () => void;
  readonly #calls = new Set<Outgoing>();
  isBroken = false;
  #lastWay = 0;
  #lastReply = 0;

  constructor(server: SimServer, network: Network, onBroken: () => void) {
    this.#server = server;
    this.#network = network;
    this.#onBroken = onBroken;
  }

  send(call: Outgoing): () => void {
    this.#calls.add(call);
    let leave = () => {};
    this.#lastWay = this.#network.carry(() => {
      if (this.isBroken || !this.#calls.has(call)) return;
      leave = this.#server.receive(call.id, call.model, call.bad, (reply) => {
        if (this.isBroken) return;
        this.#lastReply = this.#network.carry(() => this.#end(call, reply), this.#lastReply);
      });
    }, this.#lastWay);
    return () => {
      if (!this.#calls.delete(call)) return;
      this.#network.carry(() => leave());
    };
  }

  onReset(): void {
    this.isBroken = true;
    this.#network.carry(() => {
      this.#onBroken();
      for (const call of [...this.#calls]) this.#end(call, { code: status.UNAVAILABLE }, LOST);
    });
  }

  #end(call: Outgoing, reply: Reply, circumstances?: Circumstances): void {
    if (this.#calls.delete(call)) call.done(reply, circumstances);
  }
}
