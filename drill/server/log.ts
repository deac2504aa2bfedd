import { appendFileSync, openSync, readFileSync, writeSync } from 'node:fs';
import { machineMs } from '../clock.js';
import type { Health } from './model-server.js';

/** The log of a server: its health and its calls. */
export interface ServerLog {
  readonly arrivals: readonly Arrival[];
  readonly samples: readonly Sample[];
}

/** A call reached the server. Retries have the id of their call. */
export interface Arrival {
  readonly atMs: number;
  readonly id: number;
  readonly model: string;
}

/** The health of a server at a moment; without chances from the moment at which it is stopped or killed. */
export interface Sample extends Health {
  readonly atMs: number;
}

/** Writes line by line without a buffer, so that the log is complete after a SIGKILL. */
export class LogFile {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, 'a');
  }

  arrival(id: number, model: string): void {
    writeSync(this.#fd, `a ${machineMs().toFixed(2)} ${id} ${model}\n`);
  }

  sample({ chances, inFlight }: Health): void {
    const rounded = chances.map((chance) => chance.toFixed(2)).join(' ');
    writeSync(this.#fd, `h ${machineMs().toFixed(2)} ${inFlight} ${rounded}\n`);
  }
}

/** Notes that the server is stopped, killed, or about to die. The process that does it writes the note. */
export function noteDown(path: string): void {
  appendFileSync(path, `d ${machineMs().toFixed(2)}\n`);
}

/** Reads the log of a server process, except a last line that is cut off. */
export function readLog(path: string): ServerLog {
  const arrivals: Arrival[] = [];
  const samples: Sample[] = [];
  const text = readFileSync(path, 'utf8');
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    const [kind, at, third, ...rest] = line.split(' ');
    if (kind === 'a') arrivals.push({ atMs: Number(at), id: Number(third), model: rest[0] ?? '' });
    else if (kind === 'h')
      samples.push({ atMs: Number(at), inFlight: Number(third), chances: rest.map(Number) });
    else if (kind === 'd') samples.push({ atMs: Number(at), inFlight: 0, chances: [] });
  }
  return { arrivals, samples: samples.sort((a, b) => a.atMs - b.atMs) };
}
