import type { GuardedBy } from './guarded-mark.js';

/** Whether a guard is the last interceptor of its client, next to grpc-js. The guard finds it out at the client's first call. */
export class GuardPlace {
  readonly guard: GuardedBy;
  /** Undefined before the first call; false for ever once a call has shown it. */
  private last: boolean | undefined = undefined;

  constructor(guard: GuardedBy) {
    this.guard = guard;
  }

  get isLast(): boolean | undefined {
    return this.last;
  }

  found(isLast: boolean): void {
    if (this.last !== false) this.last = isLast;
  }
}
