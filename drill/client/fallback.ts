import { credentials } from '@grpc/grpc-js';
import { GRPCInferenceServiceClient, type ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import type { Fallback } from '../contestants/contestant.js';
import { infer } from './calls.js';

/** The time limit of the secondary, for every contestant. */
export const SECONDARY_MS = 100;

/** The fallback that every contestant gets. */
export function openFallback(address: string): Fallback & { close(): void } {
  const secondary = new GRPCInferenceServiceClient(address, credentials.createInsecure());
  const defaultAnswer = ({ modelName }: ModelInferRequest) =>
    ModelInferResponse.fromPartial({ modelName, modelVersion: 'default' });
  return {
    secondary,
    defaultAnswer,
    defaultStreamAnswer: (request) => ({ errorMessage: '', inferResponse: defaultAnswer(request) }),
    ask: (request, call) => {
      const deadline = Math.min(call.deadline, Date.now() + SECONDARY_MS);
      return infer(secondary, request, { ...call, deadline }).catch(() => defaultAnswer(request));
    },
    close: () => secondary.close(),
  };
}
