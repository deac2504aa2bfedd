import type { FullServerSpec } from '../scenario/phases.js';
import { noteDown } from '../server/log.js';
import type { ServerCommand, ServerNotice, ServerStart } from '../server/messages.js';
import type { Trouble } from '../server/trouble.js';
import { Child } from './child.js';

type ServerChild = Child<ServerNotice, ServerCommand>;

/** The options of a seat. */
export interface SeatOptions {
  readonly spec: FullServerSpec;
  readonly host: string;
  readonly name: string;
  readonly seed: number;
  readonly deadlineMs: number;
  readonly log: string;
  /** How often the process will be replaced. For each time a process waits with its code loaded, so that a restart takes no time. */
  readonly replacements: number;
}

/** A server's place: an address, and the process that listens there now. */
export class ServerSeat {
  readonly #options: SeatOptions;
  readonly #waiting: ServerChild[] = [];
  #current: ServerChild;
  #port = 0;
  #closing = false;

  /** Starts the processes; {@link ready} waits for them. */
  constructor(options: SeatOptions) {
    this.#options = options;
    const { cold: _cold, ...warm } = options.spec;
    // The first server is already warm when the drill begins.
    this.#current = this.#spawn(warm);
    for (let n = 0; n < options.replacements; n++) this.#waiting.push(this.#spawn(options.spec));
  }

  get address(): string {
    return `${this.#options.host}:${this.#port}`;
  }

  /** Resolves when the first process listens and the others wait. */
  async ready(): Promise<void> {
    await Promise.all([this.#current, ...this.#waiting].map((child) => child.notice('ready')));
    await this.#listen();
    this.#watch();
  }

  /** SIGKILL, and a new process at the same address after `downMs`. */
  async kill(downMs: number): Promise<void> {
    const dying = this.#current;
    noteDown(this.#options.log);
    await this.#replace(() => dying.end(), downMs);
  }

  /** As {@link kill}, but the process finishes the calls that it has. */
  async drain(downMs: number): Promise<void> {
    const leaving = this.#current;
    noteDown(this.#options.log);
    await this.#replace(() => {
      leaving.send({ kind: 'drain' });
      return leaving.exited;
    }, downMs);
  }

  stop(): void {
    noteDown(this.#options.log);
    this.#current.signal('SIGSTOP');
  }

  continue(): void {
    this.#current.signal('SIGCONT');
  }

  trouble(model: string | undefined, trouble: Trouble, forMs: number): void {
    this.#current.send({ kind: 'trouble', model, trouble, forMs });
  }

  reset(whenInFlight: number): void {
    this.#current.send({ kind: 'reset', whenInFlight });
  }

  /** Resets every connection at the age of `everyMs`; Infinity: never. */
  resets(everyMs: number): void {
    this.#current.send({ kind: 'resets', everyMs });
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all([this.#current, ...this.#waiting].map((child) => child.end()));
  }

  async #replace(end: () => Promise<void>, downMs: number): Promise<void> {
    const backAt = performance.now() + downMs;
    const next = this.#waiting.shift() ?? this.#spawn(this.#options.spec);
    const old = this.#current;
    this.#current = next;
    await end();
    if (old.running) await old.end();
    // again, because a draining server writes until it ends: its silence after that is not the fault of a busy machine
    noteDown(this.#options.log);
    await new Promise((resolve) => setTimeout(resolve, backAt - performance.now()));
    if (this.#closing) return;
    await this.#listen();
    this.#watch();
  }

  /** Replaces a process that dies by itself, and starts another process that waits. */
  #watch(): void {
    const { dies } = this.#options.spec;
    if (dies === undefined) return;
    const watched = this.#current;
    void watched.exited.then(() => {
      if (this.#closing || this.#current !== watched) return;
      if (this.#waiting.length < 2) this.#waiting.push(this.#spawn(this.#options.spec));
      return this.#replace(async () => {}, dies.downMs);
    });
  }

  async #listen(): Promise<void> {
    const listening = this.#current.notice('listening');
    this.#current.send({ kind: 'listen', host: this.#options.host, port: this.#port });
    this.#port = (await listening).port;
  }

  #spawn(spec: FullServerSpec): ServerChild {
    const { name, seed, deadlineMs, log } = this.#options;
    const start: ServerStart = { spec, seed, name, deadlineMs, log };
    return new Child<ServerNotice, ServerCommand>(
      'server/main.js',
      [JSON.stringify(start)],
      `server ${name}`,
    );
  }
}
