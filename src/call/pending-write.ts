import type { MessageContext } from './call.js';

/** A write that the real call may never take: its writer is called back once, by the real call or when a fallback takes over. */
export class PendingWrite {
  readonly context: MessageContext;
  private callback: (() => void) | undefined;

  constructor(context: MessageContext) {
    this.callback = context.callback;
    this.context = { ...context, callback: () => this.call() };
  }

  /** Lets the writer go on, in the next tick, unless the real call has. */
  release(): void {
    if (this.callback !== undefined) process.nextTick(() => this.call());
  }

  private call(): void {
    const { callback } = this;
    this.callback = undefined;
    callback?.();
  }
}
