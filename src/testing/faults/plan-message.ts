import { invalid } from '../../errors.js';
import * as messages from '../../gen/failsoft/mock/v1/fault.js';
import type { ErrorFault, FaultPlan, Latency, StreamBreak, StreamFault } from './plan.js';

/**
 * A plan from its message in failsoft.mock.v1. Ranges are checked later, by `checkFaultPlan`.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for a message without a required alternative
 */
export function planFromMessage(message: messages.FaultPlan): FaultPlan {
  const { latency, latencyMultiplier, warmUp, error, hangShare, dropShare, queue, stream } = message;
  return {
    ...(latency && { latency: latencyFromMessage(latency) }),
    ...(latencyMultiplier !== undefined && { latencyMultiplier }),
    ...(warmUp && { warmUp }),
    ...(error && { error: errorFromMessage(error) }),
    ...(hangShare !== undefined && { hangShare }),
    ...(dropShare !== undefined && { dropShare }),
    ...(queue && { queue: withoutUndefined(queue) }),
    ...(message.notReady && { notReady: true }),
    ...(stream && { stream: streamFromMessage(stream) }),
  };
}

/** The message of a plan. */
export function planToMessage(plan: FaultPlan): messages.FaultPlan {
  const { latency, error, stream, ...rest } = plan;
  return messages.FaultPlan.fromPartial({
    ...rest,
    ...(latency && { latency: { [latency.kind]: latency } }),
    ...(error && { error: { ...error, trailers: new Map(Object.entries(error.trailers ?? {})) } }),
    ...(stream && { stream: streamToMessage(stream) }),
  });
}

function latencyFromMessage(message: messages.Latency): Latency {
  const { fixed, uniform, normal, lognormal, exponential } = message;
  if (fixed) return { kind: 'fixed', ...fixed };
  if (uniform) return { kind: 'uniform', ...uniform };
  if (normal) return { kind: 'normal', ...normal };
  if (lognormal) return { kind: 'lognormal', ...lognormal };
  if (exponential) return { kind: 'exponential', ...exponential };
  throw invalid('faults.latency', 'one of fixed, uniform, normal, lognormal, exponential', 'none of them');
}

function errorFromMessage(message: messages.ErrorFault): ErrorFault {
  const { share, code, details, pushbackMs, retryDelayMs, trailers } = message;
  return {
    code,
    ...(share !== undefined && { share }),
    ...(details !== '' && { details }),
    ...(pushbackMs !== undefined && { pushbackMs }),
    ...(retryDelayMs !== undefined && { retryDelayMs }),
    ...(trailers.size > 0 && { trailers: Object.fromEntries(trailers) }),
  };
}

function streamFromMessage(message: messages.StreamFault): StreamFault {
  const fault = breakFromMessage(message);
  if (!fault && message.afterMessages !== 0)
    throw invalid(
      'faults.stream',
      'one of error, error_message, stall, drop with after_messages',
      'none of them',
    );
  return { ...(message.gapMs !== undefined && { gapMs: message.gapMs }), ...(fault && { fault }) };
}

function breakFromMessage(message: messages.StreamFault): StreamBreak | undefined {
  const { afterMessages, error, errorMessage, stall, drop } = message;
  if (error) {
    const details = error.details === '' ? {} : { details: error.details };
    return { kind: 'error', afterMessages, code: error.code, ...details };
  }
  if (errorMessage !== undefined) return { kind: 'error-message', afterMessages, message: errorMessage };
  if (stall) return { kind: 'stall', afterMessages };
  if (drop) return { kind: 'drop', afterMessages };
  return undefined;
}

function streamToMessage({ gapMs, fault }: StreamFault): Partial<messages.StreamFault> {
  const message = { ...(gapMs !== undefined && { gapMs }) };
  if (!fault) return message;
  const { afterMessages } = fault;
  switch (fault.kind) {
    case 'error':
      return { ...message, afterMessages, error: { code: fault.code, details: fault.details ?? '' } };
    case 'error-message':
      return { ...message, afterMessages, errorMessage: fault.message };
    case 'stall':
      return { ...message, afterMessages, stall: {} };
    case 'drop':
      return { ...message, afterMessages, drop: {} };
  }
}

function withoutUndefined({ concurrency, maxQueued, timeoutMs }: messages.QueueLimit) {
  return { concurrency, maxQueued, ...(timeoutMs !== undefined && { timeoutMs }) };
}
