import { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { infer, inferStream } from '../client/calls.js';
import type { Caller, Setting } from './contestant.js';

/** A grpc-js client with a service config only: the base of all contestants that grpc-js brings itself. */
export function bareCaller(setting: Setting, serviceConfig?: object): Caller {
  const client = new GRPCInferenceServiceClient(setting.target, setting.credentials, {
    ...setting.options,
    interceptors: [setting.sent],
    ...(serviceConfig && { 'grpc.service_config': JSON.stringify(serviceConfig) }),
  });
  return {
    infer: (request, call) => infer(client, request, call),
    inferStream: (request, call) => inferStream(client, request, call),
    close: () => client.close(),
  };
}
