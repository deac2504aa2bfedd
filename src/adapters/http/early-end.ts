import { status } from '@grpc/grpc-js';
import type { OpenCall } from '../../call/neutral/open-call.js';

/**
 * What ended a request early: its caller, its caller's time limit, or a limit of the guard. Undefined while it has not ended
 * early.
 */
export type EndedBy = 'caller' | 'time' | 'limit' | undefined;

/** Ends a call whose caller went while the real request ran. */
export function leave(call: OpenCall): void {
  call.settle('ignored', 0);
  call.gaveOwn('ignored', status.CANCELLED);
}
