import { type StatusObject, status } from '@grpc/grpc-js';
import type { Circumstances } from '../circuit/types.js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import { connectionTroubleOf } from './connection-trouble.js';
import { lengthOf, SHORTEST_STANDSTILL_MS } from './loop-watch.js';
import type { MethodGuard } from './method-guard.js';

/** A standstill of the event loop matters to a call if it lasted for more than this share of the call. */
const MATTERING_SHARE = 0.25;
/** A standstill explains a time-out that follows within this time. Of many calls that time out, the last waits for the others. */
const JUST_ENDED_MS = 50;
/** A standstill excuses a time-out only if the server had answered within this time before it. */
const EXCUSED_MS = 5_000;

const CONNECTING: Circumstances = Object.freeze({ connecting: true });
const STALLED: Circumstances = Object.freeze({ stalled: true });
const CONNECTING_AND_STALLED: Circumstances = Object.freeze({ connecting: true, stalled: true });

type Method = Pick<MethodGuard, 'connection' | 'loop' | 'settings'>;

/** The times of a call that is over. */
export interface CallTimes {
  readonly startedAtMs: number;
  /** The time that the server was given, in milliseconds; Infinity without a deadline. */
  readonly givenMs: number;
  /** The circuit's usual duration of such calls: 0 while that is not known. */
  readonly entry: { readonly usualLatency: { readonly ms: number } };
}

/**
 * The circumstances that make the end of a call weaker evidence; undefined for a usual call. Also updates the state of the
 * connection.
 * @param waitedMs how long the caller waited for the server
 */
export function circumstancesOf(
  method: Method,
  times: CallTimes,
  outcome: Outcome,
  received: StatusObject,
  nowMs: number,
  waitedMs: number,
): Circumstances | undefined {
  const { connection } = method;
  const { startedAtMs } = times;
  if (outcome === 'success') {
    connection.answered(nowMs);
    // nearly every call ends here
    if (waitedMs < SHORTEST_STANDSTILL_MS && !connection.wasConnectingAt(startedAtMs)) return undefined;
  } else if (outcome === 'ignored') return undefined;
  const { code } = received;
  const trouble = isUnhealthy(outcome) ? connectionTroubleOf(received) : undefined;
  if (trouble?.lostConnection === true || trouble?.notSent === true) connection.lost();
  else if (trouble === undefined && isOfServer(code)) connection.answered(nowMs);
  if (trouble !== undefined) return trouble;
  const connecting = connection.wasConnectingAt(startedAtMs);
  const isTimeout = outcome === 'failure' && code === status.DEADLINE_EXCEEDED;
  const stalled = isTimeout
    ? isExcused(method, times, nowMs)
    : !isUnhealthy(outcome) && isDelayed(method, startedAtMs, nowMs, waitedMs);
  if (connecting) return stalled ? CONNECTING_AND_STALLED : CONNECTING;
  return stalled ? STALLED : undefined;
}

/** Whether this code can only come from the server, not from grpc-js or the caller. */
function isOfServer(code: status): boolean {
  return code !== status.UNAVAILABLE && code !== status.DEADLINE_EXCEEDED && code !== status.CANCELLED;
}

/** Whether a standstill of this process, or the catching up after it, made up a good part of an answered call's duration. */
function isDelayed({ loop }: Method, startedAtMs: number, nowMs: number, waitedMs: number): boolean {
  if (waitedMs < SHORTEST_STANDSTILL_MS) return false;
  return loop.longestFeltMs(startedAtMs, nowMs) > waitedMs * MATTERING_SHARE;
}

/** Whether a time-out is no evidence about the server: its answer may have arrived unread, or the request was sent too late. */
function isExcused(
  { connection, loop, settings }: Method,
  { startedAtMs, givenMs, entry }: CallTimes,
  nowMs: number,
): boolean {
  const tookMs = nowMs - startedAtMs;
  const standstill = loop.longestSince(startedAtMs, nowMs, tookMs - givenMs);
  if (standstill === undefined || connection.lastAnswerMs < standstill.fromMs - EXCUSED_MS) return false;
  const lengthMs = lengthOf(standstill);
  const isItsEnd = nowMs - standstill.untilMs <= JUST_ENDED_MS && lengthMs > tookMs * MATTERING_SHARE;
  return isItsEnd || givenMs - lengthMs < settings.minimumDeadlineOf(entry.usualLatency.ms);
}
