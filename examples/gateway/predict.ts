import { Metadata } from '@grpc/grpc-js';
import { callUnary, type Provenance } from 'failsoft';
import type { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { DEMAND_LEVELS, demandLevel, demandRequest } from 'failsoft/testing';

export interface Question {
  readonly model: string;
  readonly features: readonly number[];
  /** The time that the call may take, fallbacks included, in milliseconds. */
  readonly deadlineMs: number;
  /** Whether a fallback may answer. */
  readonly fallback: boolean;
  /** The caller's token, for the model server and for `lastGood`, which keeps the answers of different callers apart. */
  readonly authorization: string | undefined;
  /** Aborts when the HTTP caller has left. */
  readonly signal: AbortSignal;
}

export interface Prediction {
  /** The model that answered. */
  readonly model: string;
  readonly level: string | undefined;
  readonly provenance: Provenance;
}

/** Makes the call. It is the same with a guarded and with an unguarded client. @throws the call's ServiceError */
export async function predict(client: GRPCInferenceServiceClient, question: Question): Promise<Prediction> {
  const { model, features, deadlineMs, fallback, authorization, signal } = question;
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set('authorization', authorization);
  const { response, ...provenance } = await callUnary(client, 'modelInfer', demandRequest(model, features), {
    metadata,
    deadline: Date.now() + deadlineMs,
    failsoft: { fallback },
    signal,
  });
  return { model: response.modelName, level: DEMAND_LEVELS[demandLevel(response)], provenance };
}
