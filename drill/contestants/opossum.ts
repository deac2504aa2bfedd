import { GRPCInferenceServiceClient, type ModelInferRequest } from 'failsoft/protos/oip';
import CircuitBreaker from 'opossum';
import { type CallSetting, infer, inferStream, isServersFault } from '../client/calls.js';
import type { Contestant, Setting } from './contestant.js';

/**
 * The set-up of opossum's README: a timeout, half of the calls failed, a fallback function. Its times are for requests of seconds
 * (timeout 3 s, again after 30 s); here a call has half a second, so that the timeout leaves the fallback a fifth of it, and the
 * breaker tries again after a second. `errorFilter`, which the README has for HTTP 4xx, leaves out the errors that are the
 * caller's fault.
 */
function breakerOf<T>(
  { deadlineMs, report }: Setting,
  call: (request: ModelInferRequest, setting: CallSetting) => Promise<T>,
  otherwise: (request: ModelInferRequest, setting: CallSetting) => T | Promise<T>,
): CircuitBreaker<[ModelInferRequest, CallSetting], T> {
  const breaker = new CircuitBreaker(call, {
    timeout: deadlineMs * 0.8,
    errorThresholdPercentage: 50,
    resetTimeout: 1_000,
    errorFilter: (error) => !isServersFault(error),
  });
  breaker.fallback(otherwise);
  breaker.on('open', () => report('open'));
  breaker.on('halfOpen', () => report('half-open'));
  breaker.on('close', () => report('closed'));
  return breaker;
}

export const opossum: Contestant = {
  name: 'opossum',
  about:
    "A breaker per client method, with the options of opossum's README; its times are scaled to deadlines of half a second.",
  open(setting) {
    const { fallback, credentials, options, sent, target } = setting;
    const client = new GRPCInferenceServiceClient(target, credentials, { ...options, interceptors: [sent] });
    const unary = breakerOf(setting, (request, call) => infer(client, request, call), fallback.ask);
    const streams = breakerOf(
      setting,
      (request, call) => inferStream(client, request, call),
      (request) => [fallback.defaultStreamAnswer(request)],
    );
    return {
      infer: (request, call) => unary.fire(request, call),
      inferStream: (request, call) => streams.fire(request, call),
      close: () => {
        unary.shutdown();
        streams.shutdown();
        client.close();
      },
    };
  },
};
