import { describeAttempts } from '../../fallback/chain/attempts.js';
import type { ChainResult, FallbackChain } from '../../fallback/chain/chain.js';
import type { Answer, Cause } from '../../fallback/strategy.js';
import type { Entry } from '../../guard/circuit-registry.js';
import { label, provenanceOfAnswer, rememberProvenance } from '../../status/provenance.js';
import { emitDegraded } from '../degraded.js';
import { type AskedCall, FallbackRun } from '../fallback-run.js';
import { type ObservableCall, recordFallbackAnswer } from '../record-end.js';
import type { CallAnswer } from './call-types.js';
import type { FallbackResult } from './open-call.js';
import type { RequestStream } from './request-stream.js';

/** Called with a function that ends the chain's run. */
export type OnCancel = (cancel: () => void) => void;

/** The parts of a call that the run of its chain needs. */
export interface ChainCall extends AskedCall, ObservableCall {
  readonly entry: Entry;
  readonly chain: FallbackChain | undefined;
  readonly requests: RequestStream<unknown> | undefined;
  readonly deadlineMs: number;
  readonly options: AskedCall['options'] & {
    readonly method_definition: { readonly responseStream: boolean };
  };
}

const NO_ANSWER: FallbackResult = Object.freeze({ answer: undefined, story: undefined, expired: false });

/**
 * Asks the chain of a call that its real call does not answer. Never rejects.
 * @param onCancel see `OpenCall.fallBack()`
 * @param onAnswer called when a fallback has answered, before users' code learns of it
 */
export async function askForCall(
  call: ChainCall,
  cause: Cause,
  onCancel: OnCancel,
  onAnswer?: () => void,
): Promise<FallbackResult> {
  const { chain, entry, method } = call;
  if (chain === undefined || !chain.serves(cause.kind)) return NO_ANSWER;
  let isCancelled = false;
  const whole = hasWholeRequest(call, (cancel) =>
    onCancel(() => {
      isCancelled = true; // the request may be complete already, and the wait for it over
      cancel();
    }),
  );
  if (whole !== true && !(await whole))
    return { answer: undefined, story: "the caller's stream did not end", expired: false };
  if (isCancelled) return NO_ANSWER;
  const run = new FallbackRun(call, entry, cause);
  const result = resultOf(run, run.ask(chain), onCancel);
  // without `await` where the result is there: an answer is recorded in the turn in which it is given
  const { answer, attempts } = result instanceof Promise ? await result : result;
  if (attempts.length > 0) method.attempts.add(method.path, attempts);
  if (answer !== undefined) {
    onAnswer?.();
    return { answer: answerOf(call, answer, cause) };
  }
  return {
    answer,
    story: attempts.length === 0 ? undefined : describeAttempts(attempts),
    expired: run.hasExpired,
  };
}

/** Waits for the whole request, except for a bidirectional stream: its call can be answered before the caller is done. */
function hasWholeRequest(call: ChainCall, onCancel: OnCancel): boolean | Promise<boolean> {
  const { requests, method, deadlineMs } = call;
  if (requests === undefined || call.options.method_definition.responseStream) return true;
  const leftMs = Math.max(0, deadlineMs - Date.now());
  return requests.drain(method.clock, Math.min(leftMs, method.settings.abandonedAfterMs), onCancel);
}

function resultOf(
  run: FallbackRun,
  asked: ChainResult | Promise<ChainResult>,
  onCancel: OnCancel,
): ChainResult | Promise<ChainResult> {
  if (!(asked instanceof Promise)) {
    onCancel(() => run.cancel('cancelled'));
    return asked;
  }
  return new Promise((resolve) => {
    run.wait(asked, resolve);
    onCancel(() => {
      run.cancel('cancelled');
      resolve({ answer: undefined, attempts: [] });
    });
  });
}

function answerOf(call: ChainCall, answer: Answer<unknown>, cause: Cause): CallAnswer<unknown> {
  const { entry, method } = call;
  emitDegraded(method, entry.key, answer, cause);
  recordFallbackAnswer(call, entry, answer.source, cause);
  if (method.provenance !== undefined && !call.options.method_definition.responseStream)
    rememberProvenance(method.provenance, answer, cause);
  return {
    ...provenanceOfAnswer(answer, cause),
    response: answer.message,
    label: label(answer, cause, method.events.warnings),
  };
}
