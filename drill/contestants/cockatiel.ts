import {
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  SamplingBreaker,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { infer, inferStream, isServersFault } from '../client/calls.js';
import type { Contestant, Setting } from './contestant.js';

/**
 * Both breakers of cockatiel's README, wrapped: five failures in a row, or a fifth of 30 s. `halfOpenAfter` is a second and not the
 * README's ten, because a call has half a second; the timeout leaves the fallback a fifth of that.
 */
function policyOf({ deadlineMs, report }: Setting) {
  const failures = handleWhen(isServersFault);
  const halfOpenAfter = 1_000;
  const consecutive = circuitBreaker(failures, { halfOpenAfter, breaker: new ConsecutiveBreaker(5) });
  const sampling = circuitBreaker(failures, {
    halfOpenAfter,
    breaker: new SamplingBreaker({ threshold: 0.2, duration: 30_000 }),
  });
  for (const breaker of [consecutive, sampling]) {
    breaker.onBreak(() => report('open'));
    breaker.onHalfOpen(() => report('half-open'));
    breaker.onReset(() => report('closed'));
  }
  return wrap(consecutive, sampling, timeout(deadlineMs * 0.8, TimeoutStrategy.Aggressive));
}

/** As the README's `handleRequest` does: catches the errors that the policy throws, and answers otherwise. */
async function otherwise<T>(call: Promise<T>, fallback: () => T | Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!isServersFault(error)) throw error;
    return fallback();
  }
}

export const cockatiel: Contestant = {
  name: 'cockatiel',
  about:
    "The consecutive breaker and the sampling breaker of cockatiel's README, around a timeout; the wait before a probe is scaled to deadlines of half a second.",
  open(setting) {
    const { credentials, fallback, options, sent, target } = setting;
    const client = new GRPCInferenceServiceClient(target, credentials, { ...options, interceptors: [sent] });
    const unary = policyOf(setting);
    const streams = policyOf(setting);
    return {
      infer: (request, call) =>
        otherwise(
          unary.execute(() => infer(client, request, call)),
          () => fallback.ask(request, call),
        ),
      inferStream: (request, call) =>
        otherwise(
          streams.execute(() => inferStream(client, request, call)),
          () => [fallback.defaultStreamAnswer(request)],
        ),
      close: () => client.close(),
    };
  },
};
