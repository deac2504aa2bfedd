import type { MessageContext } from './call.js';

/** A message that the real call may never take. The writer is called back once: by the real call, or when a fallback answers. */
export class PendingWrite {
  readonly context: MessageContext;
  private callback: (() => void) | undefined;

  constructor(context: MessageContext) {
    this.callback = context.callback;
    this.context = { ...context, callback: () => this.call() };
  }

  /** Calls the writer back in the next tick, unless the real call has done so. */
  release(): void {
    if (this.callback !== undefined) process.nextTick(() => this.call());
  }

  private call(): void {
    const { callback } = this;
    this.callback = undefined;
    callback?.();
  }
}
