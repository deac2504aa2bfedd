import { Metadata } from '@grpc/grpc-js';
import { type Provenance, provenanceOf } from 'failsoft';
import type { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { DEMAND_LEVELS, demandLevel, demandRequest } from 'failsoft/testing';

export interface Question {
  readonly model: string;
  readonly features: readonly number[];
  readonly deadlineMs: number;
  /** Whether a fallback may answer. */
  readonly fallback: boolean;
  /** The caller's, for the model server and for whatever keeps answers apart by caller. */
  readonly authorization: string | undefined;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

export interface Prediction {
  /** The model that answered. */
  readonly model: string;
  readonly level: string | undefined;
  readonly provenance: Provenance;
}

/** Asks the model once. Whether the client is guarded makes no difference here. @throws the call's ServiceError */
export function predict(client: GRPCInferenceServiceClient, question: Question): Promise<Prediction> {
  const { model, features, deadlineMs, fallback, authorization, signal } = question;
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set('authorization', authorization);
  const options = { deadline: Date.now() + deadlineMs, failsoft: { fallback } };
  return new Promise((resolve, reject) => {
    let headers = new Metadata();
    const call = client.modelInfer(demandRequest(model, features), metadata, options, (error, response) => {
      signal.removeEventListener('abort', cancel);
      if (error) return reject(error);
      resolve({
        model: response.modelName,
        level: DEMAND_LEVELS[demandLevel(response)],
        provenance: provenanceOf(headers),
      });
    });
    const cancel = () => call.cancel();
    signal.addEventListener('abort', cancel);
    call.on('metadata', (received) => {
      headers = received;
    });
  });
}
