import { credentials } from '@grpc/grpc-js';
import { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { labelledInputs, startMockServer } from 'failsoft/testing';
import { onTestFinished } from 'vitest';
import { type GuardedClientOptions, guardedClient } from '../../examples/gateway/client.js';
import { buildGateway } from '../../examples/gateway/gateway.js';

export const MODEL = 'demand-large';
export const CIRCUIT = '/inference.GRPCInferenceService/ModelInfer#demand-large';
const source = labelledInputs(7);
/** Features to ask about, no two the same. */
export const inputs = Array.from({ length: 50 }, () => source.next().value.features);

export interface GatewaySetup extends Omit<GuardedClientOptions, 'address' | 'smallAddress'> {
  readonly deadlineMs?: number;
  readonly guarded?: boolean;
}

/** Both models, and a gateway in front of them over real HTTP; closed after the test. */
export async function startGateway({ deadlineMs = 60_000, guarded = true, ...options }: GatewaySetup = {}) {
  const models = await startMockServer();
  onTestFinished(() => models.close());
  const clients = guarded
    ? guardedClient({ address: models.address, smallAddress: models.address, ...options })
    : undefined;
  const client =
    clients?.client ?? new GRPCInferenceServiceClient(models.address, credentials.createInsecure());
  onTestFinished(() => (clients ? clients.close() : client.close()));
  const gateway = buildGateway({ client, deadlineMs });
  onTestFinished(() => gateway.close());
  const url = await gateway.listen({ host: '127.0.0.1', port: 0 });
  const predict = (body: unknown, { query = '', ...init }: RequestInit & { query?: string } = {}) =>
    fetch(`${url}/predict${query}`, {
      method: 'POST',
      body: JSON.stringify(body),
      ...init,
      headers: { 'content-type': 'application/json', ...init.headers },
    });
  return { models, guard: clients?.guard, url, predict };
}
