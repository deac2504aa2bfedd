import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const START_TIMEOUT_MS = 30_000;

/** A child process with messages over IPC: JSON objects with a `kind`. */
export class Child<Notice extends { readonly kind: string }, Command extends object> {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #exited: Promise<void>;

  /** @param script relative to the folder of the compiled drill */
  constructor(script: string, args: readonly string[], name: string) {
    this.#name = name;
    this.#process = fork(fileURLToPath(new URL(`../${script}`, import.meta.url)), [...args], {
      serialization: 'advanced',
      // The servers are on this machine: no proxy.
      env: { ...process.env, grpc_proxy: '', http_proxy: '', https_proxy: '' },
    });
    this.#exited = once(this.#process, 'exit').then(() => undefined);
  }

  /** Resolves when the process has ended, for whatever reason. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  send(command: Command): void {
    this.#process.send(command);
  }

  /** The next message of a kind. Rejects when the process ends first, or when `timeoutMs` pass. */
  notice<K extends Notice['kind']>(
    kind: K,
    timeoutMs = START_TIMEOUT_MS,
  ): Promise<Extract<Notice, { readonly kind: K }>> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: Notice) => {
        if (isOfKind(message, kind)) settle(() => resolve(message));
      };
      const onEnd = () =>
        void this.#exited.then(() => {
          const { exitCode, signalCode } = this.#process;
          settle(() =>
            reject(new Error(`${this.#name} ended (${signalCode ?? exitCode}) before it was ${kind}`)),
          );
        });
      const late = setTimeout(
        () => settle(() => reject(new Error(`${this.#name} was not ${kind} after ${timeoutMs} ms`))),
        timeoutMs,
      );
      const settle = (how: () => void) => {
        clearTimeout(late);
        this.#process.off('message', onMessage);
        this.#process.off('disconnect', onEnd);
        how();
      };
      this.#process.on('message', onMessage);
      // not `exit`, which may come before the last messages
      this.#process.on('disconnect', onEnd);
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Sends SIGKILL; resolves when the process has ended. */
  async end(): Promise<void> {
    if (this.running) this.#process.kill('SIGKILL');
    await this.#exited;
  }
}

function isOfKind<N extends { readonly kind: string }, K extends N['kind']>(
  notice: N,
  kind: K,
): notice is Extract<N, { readonly kind: K }> {
  return notice.kind === kind;
}
