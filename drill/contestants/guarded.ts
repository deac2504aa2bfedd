import type { ClientOptions } from '@grpc/grpc-js';
import { defaultPrediction, FallbackRegistry, type Guard, secondaryModel } from 'failsoft';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { infer, inferStream } from '../client/calls.js';
import type { Caller, Setting } from './contestant.js';

const { modelInfer, modelStreamInfer } = GRPCInferenceServiceService;

/** The fallback of all contestants as a chain: the secondary model, then the default. */
export function chainOf({ fallback }: Setting): FallbackRegistry {
  return new FallbackRegistry()
    .register(modelInfer, [
      secondaryModel(fallback.secondary, 'modelInfer', { name: 'small' }),
      defaultPrediction(fallback.defaultAnswer),
    ])
    .register(modelStreamInfer, [defaultPrediction(fallback.defaultStreamAnswer)]);
}

/** A client that a guard is attached to. */
export function guardedCaller(setting: Setting, guard: Guard, options: ClientOptions = {}): Caller {
  guard.on('transition', ({ to }) => setting.report(to));
  const own = { ...setting.options, ...options, interceptors: [setting.sent] };
  const client = new GRPCInferenceServiceClient(
    setting.target,
    setting.credentials,
    guard.clientOptions(own),
  );
  return {
    infer: (request, call) => infer(client, request, call),
    inferStream: (request, call) => inferStream(client, request, call),
    close: () => client.close(),
  };
}
