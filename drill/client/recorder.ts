import { setTimeout } from 'node:timers/promises';
import { InterceptingCall, type Interceptor, Metadata, status } from '@grpc/grpc-js';
import { ModelInferRequest } from 'failsoft/protos/oip';
import { machineMs } from '../clock.js';
import type { BreakerState, Caller } from '../contestants/contestant.js';
import type { PlannedCall } from '../scenario/traffic.js';
import { BAD_REQUEST, CALL_ID } from '../server/service.js';
import { codeOf } from './calls.js';
import type { CallEnd, CallRecord, StateChange } from './messages.js';

/** A call that ends within this time after its deadline is still in time: the slack of timers. */
const SLACK_MS = 20;
/**
 * A call that has not ended this long after its deadline is given up, and is late. Some calls never end: grpc-js's retries
 * lose a call whose connection is reset at the wrong moment.
 */
const GIVEN_UP_AFTER_MS = 3_000;
const LATE: CallEnd = 'late';
/** The name in the answers of the primary servers. */
export const PRIMARY = 'primary';

/** Makes the calls of a drill and writes down how they end. */
export class Recorder {
  readonly calls: CallRecord[] = [];
  readonly states: StateChange[] = [];
  readonly #sent = new Map<number, BreakerState>();
  #state: BreakerState = 'closed';

  /** Notes the calls that are sent to the primary. */
  readonly sent: Interceptor = (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        const id = Number(metadata.get(CALL_ID)[0]);
        if (!this.#sent.has(id)) this.#sent.set(id, this.#state);
        next(metadata, listener);
      },
    });

  readonly report = (to: BreakerState): void => {
    this.#state = to;
    this.states.push({ atMs: machineMs(), to });
  };

  /** Makes a call and records how it ended. Resolves when it is over. */
  async make(caller: Caller, kind: 'unary' | 'stream', planned: PlannedCall): Promise<void> {
    const { id, bad, deadlineMs, leavesAfterMs, model, counted } = planned;
    const request = ModelInferRequest.fromPartial({
      modelName: model,
      id: bad ? BAD_REQUEST : '',
      rawInputContents: [Buffer.alloc(64)],
    });
    const metadata = new Metadata();
    metadata.set(CALL_ID, String(id));
    const leaving = leavesAfterMs === undefined ? {} : { signal: AbortSignal.timeout(leavesAfterMs) };
    const atMs = machineMs();
    const call = { metadata, deadline: Date.now() + deadlineMs, ...leaving };
    const ending = (
      kind === 'unary'
        ? caller.infer(request, call).then((answer) => endOf(answer.modelVersion))
        : caller.inferStream(request, call).then(([first]) => endOf(first?.inferResponse?.modelVersion))
    ).catch((error: unknown) => endOfError(error, bad));
    const end = await orLate(ending, deadlineMs + GIVEN_UP_AFTER_MS);
    const tookMs = machineMs() - atMs;
    const inTime = tookMs <= deadlineMs + SLACK_MS || end === 'left';
    this.calls.push({
      id,
      atMs,
      model,
      tookMs,
      end: inTime ? end : 'late',
      sent: this.#sent.get(id),
      counted,
    });
  }
}

async function orLate(ending: Promise<CallEnd>, givenUpAfterMs: number): Promise<CallEnd> {
  const over = new AbortController();
  // the timer is aborted when the call has ended: nothing reads its value then
  const givenUp = setTimeout(givenUpAfterMs, LATE, { signal: over.signal }).catch(() => LATE);
  const end = await Promise.race([ending, givenUp]);
  over.abort();
  return end;
}

function endOf(answeredBy: string | undefined): CallEnd {
  return answeredBy === PRIMARY ? 'primary' : 'degraded';
}

function endOfError(error: unknown, bad: boolean): CallEnd {
  const code = codeOf(error);
  if (code === status.INVALID_ARGUMENT && bad) return 'primary';
  if (code === status.DEADLINE_EXCEEDED) return 'late';
  return code === status.CANCELLED ? 'left' : 'error';
}
