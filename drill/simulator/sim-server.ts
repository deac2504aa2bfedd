import type { Clock } from 'failsoft';
import type { FullServerSpec } from '../scenario/phases.js';
import type { Arrival, Sample, ServerLog } from '../server/log.js';
import { ModelServer, type Reply } from '../server/model-server.js';
import { NO_TROUBLE, type Trouble } from '../server/trouble.js';

/** One end of a connection, as the server sees it. */
export interface Connection {
  /** Called when the server, or a host on the way, breaks the connection. */
  onReset(): void;
}

/** The interval at which a server writes down its health, as on the wire. */
const SAMPLE_MS = 10;

/** A server process of the simulator: the model server of the wire, with connections that can break. */
export class SimServer implements ServerLog {
  readonly arrivals: Arrival[] = [];
  readonly samples: Sample[] = [];
  readonly #spec: FullServerSpec;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #deadlineMs: number;
  readonly #connections = new Set<Connection>();
  /** Messages that wait until a stopped process goes on. */
  readonly #held: (() => void)[] = [];
  #models: ModelServer;
  #isUp = true;
  #isStopped = false;
  #resetWhenInFlight = Number.POSITIVE_INFINITY;
  #resetAfterMs = Number.POSITIVE_INFINITY;
  /** How often the server died by itself. */
  deaths = 0;

  constructor(spec: FullServerSpec, clock: Clock, random: () => number, deadlineMs: number) {
    this.#spec = spec;
    this.#clock = clock;
    this.#random = random;
    this.#deadlineMs = deadlineMs;
    const { cold: _cold, ...warm } = spec;
    // The first server is already warm when the drill begins.
    this.#models = this.#start(warm);
  }

  get inFlight(): number {
    return this.#models.inFlight;
  }

  /** Writes down the health of the server from now on. */
  sample(everyMs = SAMPLE_MS): void {
    if (this.#isUp && !this.#isStopped)
      this.samples.push({ atMs: this.#clock.now(), ...this.#models.health(this.#deadlineMs) });
    this.#clock.setTimer(() => this.sample(everyMs), everyMs);
  }

  /** @returns false where no process listens */
  connect(connection: Connection): boolean {
    if (!this.#isUp) return false;
    this.#connections.add(connection);
    if (Number.isFinite(this.#resetAfterMs)) this.#resetAt(connection, this.#resetAfterMs);
    return true;
  }

  /** A call arrives. @returns a function to call when its caller leaves */
  receive(id: number, model: string, bad: boolean, reply: (reply: Reply) => void): () => void {
    let leave = () => {};
    let left = false;
    this.#whenRunning(() => {
      this.arrivals.push({ atMs: this.#clock.now(), id, model });
      if (left) return;
      leave = this.#models.arrive(model, bad, (answer) => this.#whenRunning(() => reply(answer)));
      if (this.inFlight >= this.#resetWhenInFlight) {
        this.#resetWhenInFlight = Number.POSITIVE_INFINITY;
        this.resetAll();
      }
    });
    return () => {
      left = true;
      leave();
    };
  }

  kill(downMs: number): void {
    this.#isUp = false;
    this.#noteDown();
    this.resetAll();
    // The answers of the old process go into broken connections.
    this.#models = this.#start(this.#spec);
    this.#clock.setTimer(() => {
      this.#isUp = true;
    }, downMs);
  }

  stop(forMs: number): void {
    this.#isStopped = true;
    this.#noteDown();
    this.#clock.setTimer(() => {
      this.#isStopped = false;
      for (const deliver of this.#held.splice(0)) deliver();
    }, forMs);
  }

  trouble(model: string | undefined, trouble: Trouble, forMs: number): void {
    this.#models.setTrouble(model, trouble, forMs);
    this.#clock.setTimer(() => this.#models.setTrouble(model, NO_TROUBLE, 0), forMs);
  }

  resetAll(): void {
    for (const connection of this.#connections) this.#reset(connection);
  }

  /** Resets all connections once: when `inFlight` calls are in flight. */
  resetWhen(inFlight: number): void {
    if (this.inFlight >= inFlight) this.resetAll();
    else this.#resetWhenInFlight = inFlight;
  }

  /** Resets connections at the age of `ms`, for `forMs`. */
  limitAge(ms: number, forMs: number): void {
    this.#resetAfterMs = ms;
    for (const connection of this.#connections) this.#resetAt(connection, ms);
    this.#clock.setTimer(() => {
      this.#resetAfterMs = Number.POSITIVE_INFINITY;
    }, forMs);
  }

  #start(spec: FullServerSpec): ModelServer {
    return new ModelServer(spec, this.#clock, this.#random, () => {
      this.deaths++;
      this.kill(this.#spec.dies?.downMs ?? 0);
    });
  }

  #resetAt(connection: Connection, ms: number): void {
    this.#clock.setTimer(() => {
      if (Number.isFinite(this.#resetAfterMs)) this.#reset(connection);
    }, ms);
  }

  #reset(connection: Connection): void {
    if (this.#connections.delete(connection)) connection.onReset();
  }

  #noteDown(): void {
    this.samples.push({ atMs: this.#clock.now(), inFlight: 0, chances: [] });
  }

  #whenRunning(deliver: () => void): void {
    if (this.#isStopped) this.#held.push(deliver);
    else deliver();
  }
}
