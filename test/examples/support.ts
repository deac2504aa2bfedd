import { type ChildProcess, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { compiled } from '../support/compiled.js';

/** It starts servers as processes of their own. */
export const DEMO = 'examples/demo/main.ts';

/** A file of the repository. */
export function path(fromRoot: string): string {
  return fileURLToPath(new URL(`../../${fromRoot}`, import.meta.url));
}

/** A program of the examples, as a process of its own. */
export interface Program {
  readonly process: ChildProcess;
  /** Its output so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves when standard output contains the text. @throws when the program ends without it */
  prints(text: string): Promise<void>;
  /** Resolves with the exit code, or the signal, when it has ended. */
  ended(): Promise<number | NodeJS.Signals | null>;
}

/** Runs a program of the examples. It is killed after the test if it still runs. */
export function run(file: string, ...args: string[]): Program {
  return runWith({}, file, ...args);
}

/** As {@link run}, with variables of the environment beside those of the test. */
export function runWith(variables: NodeJS.ProcessEnv, file: string, ...args: string[]): Program {
  const program = compiled(file, ...(file === DEMO ? ['src/testing/cli.ts'] : []));
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...variables },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  return {
    process: child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended: () => ended,
    prints: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!stdout.includes(text)) return;
          child.stdout.off('data', look);
          resolve();
        };
        child.stdout.on('data', look);
        look();
        void ended.then(() => reject(new Error(`ended without "${text}":\n${stdout}\n${stderr}`)));
      }),
  };
}

/** Whether a server listens at the address. */
export function listens(address: string): Promise<boolean> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
