import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientNotice, ClientRecord, ClientStart } from '../client/messages.js';
import { PRIMARY } from '../client/recorder.js';
import { machineMs } from '../clock.js';
import { fullSpec, phasesOf, startsOf } from '../scenario/phases.js';
import type { Scenario } from '../scenario/scenario.js';
import { readLog, type ServerLog } from '../server/log.js';
import { Child } from './child.js';
import { replacementsOf, type Seats, sufferServerFaults } from './faults.js';
import { ServerSeat } from './server-seat.js';

/** A cell: one scenario, one contestant, one seed. */
export interface CellPlan {
  readonly scenario: Scenario;
  readonly contestant: string;
  readonly seed: number;
  readonly quick: boolean;
}

/** The records of a cell. */
export interface CellRecord {
  /** One per start. */
  readonly clients: readonly ClientRecord[];
  /** One per primary server. */
  readonly servers: readonly ServerLog[];
}

type ClientChild = Child<ClientNotice, ClientStart>;

/** The time limit of a drill beyond its own time, for its last calls. */
const SPARE_MS = 30_000;
/** The time between the start message and the first call, in which the client warms up; a client that must be cold does not. */
const LEAD_MS = 1_500;
const COLD_LEAD_MS = 50;
const SECONDARY_SPEC = fullSpec({ serviceMs: 5 });

let cells = 0;

/** An address of this cell alone, so that no other process takes a port that is free for a while. Linux has all of 127/8. */
function ownHost(): string {
  if (process.platform !== 'linux') return '127.0.0.1';
  const number = cells++;
  return `127.${128 + (process.pid % 100)}.${(number >> 7) % 250}.${(number % 128) + 1}`;
}

/** The processes of one cell. They are started before any cell of the batch runs, so that their start disturbs no running cell. */
export class Cell {
  readonly #plan: CellPlan;
  readonly #folder = mkdtempSync(join(tmpdir(), 'failsoft-drill-'));
  readonly #logs: string[];
  readonly #seats: Seats;
  #client: ClientChild;

  constructor(plan: CellPlan) {
    this.#plan = plan;
    const { scenario, seed } = plan;
    const { deadlineMs } = scenario.traffic;
    const spec = fullSpec(scenario.servers);
    const host = ownHost();
    this.#logs = Array.from({ length: spec.count }, (_, server) =>
      join(this.#folder, `primary-${server}.log`),
    );
    this.#seats = {
      primaries: this.#logs.map(
        (log, server) =>
          new ServerSeat({
            ...{ spec, host, log, deadlineMs, name: PRIMARY, seed: seed * 100 + server },
            replacements: replacementsOf(scenario.faults, server, spec.dies !== undefined),
          }),
      ),
      secondary: new ServerSeat({
        ...{ spec: { ...SECONDARY_SPEC, models: spec.models }, host, deadlineMs, name: 'secondary' },
        ...{ seed: seed * 100 + 99, log: join(this.#folder, 'secondary.log'), replacements: 0 },
      }),
    };
    this.#client = this.#spawnClient();
  }

  async ready(): Promise<void> {
    const { primaries, secondary } = this.#seats;
    await Promise.all([
      this.#client.notice('ready'),
      ...[...primaries, secondary].map((seat) => seat.ready()),
    ]);
  }

  /** @param afterMs when it begins */
  async run(afterMs: number): Promise<CellRecord> {
    const { scenario, quick, seed } = this.#plan;
    const clients: ClientRecord[] = [];
    for (let left = startsOf(scenario, quick); left > 0; left--) {
      clients.push(await this.#start(seed * 1_000 + left, afterMs));
      if (left === 1) break;
      this.#client = this.#spawnClient();
      await this.#client.notice('ready');
    }
    return { clients, servers: this.#logs.map(readLog) };
  }

  async close(): Promise<void> {
    const { primaries, secondary } = this.#seats;
    await Promise.all([this.#client.end(), ...[...primaries, secondary].map((seat) => seat.close())]);
    rmSync(this.#folder, { recursive: true });
  }

  async #start(seed: number, afterMs: number): Promise<ClientRecord> {
    const { scenario, contestant, quick } = this.#plan;
    const { primaries, secondary } = this.#seats;
    const phases = phasesOf(scenario, quick);
    const leadMs = phases.calmMs > 0 ? LEAD_MS : COLD_LEAD_MS;
    const triggerAtMs = machineMs() + afterMs + leadMs + phases.calmMs;
    const addresses = primaries.map(({ address }) => address);
    const done = this.#client.notice(
      'done',
      afterMs + phases.calmMs + phases.faultMs + phases.afterMs + SPARE_MS,
    );
    this.#client.send({
      ...{ contestant, quick, seed, triggerAtMs, scenario: scenario.name, secondary: secondary.address },
      target: addresses.length === 1 ? `${addresses[0]}` : `ipv4:${addresses}`,
    });
    const faults = sufferServerFaults(scenario.faults, this.#seats, triggerAtMs, phases.faultMs);
    const [{ record }] = await Promise.all([done, faults]);
    return record;
  }

  #spawnClient(): ClientChild {
    const { scenario, contestant } = this.#plan;
    return new Child<ClientNotice, ClientStart>(
      'client/main.js',
      [],
      `client ${contestant} of ${scenario.name}`,
    );
  }
}
