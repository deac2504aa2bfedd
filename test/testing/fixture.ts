import { type Client, credentials, Metadata, type MethodDefinition, status } from '@grpc/grpc-js';
import { demandRequest, type MockServer, type MockServerOptions, startMockServer } from 'failsoft/testing';
import { onTestFinished } from 'vitest';
import { FaultServiceClient } from '../../src/gen/failsoft/mock/v1/fault.js';
import {
  GRPCInferenceServiceClient,
  ModelInferRequest,
  type ModelInferResponse,
} from '../../src/gen/inference/grpc_service.js';

export interface Fixture {
  readonly server: MockServer;
  readonly client: GRPCInferenceServiceClient;
  readonly faults: FaultServiceClient;
}

/** A server and its clients, closed after the test. Models take no time unless the options say so. */
export async function start(options: MockServerOptions = {}): Promise<Fixture> {
  const server = await startMockServer({ latencyMs: 0, ...options });
  onTestFinished(() => server.close());
  return { server, ...connect(server.address) };
}

export function connect(address: string) {
  // One connection per client: a dropped one must not be another's.
  const options = { 'grpc.use_local_subchannel_pool': 1 };
  const client = new GRPCInferenceServiceClient(address, credentials.createInsecure(), options);
  const faults = new FaultServiceClient(address, credentials.createInsecure(), options);
  onTestFinished(() => {
    client.close();
    faults.close();
  });
  return { client, faults };
}

export const ZEROS: readonly number[] = Array.from({ length: 16 }, () => 0);
export const goodRequest = (model = 'demand-large', id = '') => demandRequest(model, ZEROS, id);

/** A good request with some fields replaced, as a client with a bug would send it. */
export function badRequest(change: (request: ModelInferRequest) => Partial<ModelInferRequest>) {
  const request = goodRequest();
  return ModelInferRequest.fromPartial({ ...request, ...change(request) });
}

export interface Answer {
  readonly code: status;
  readonly details: string;
  readonly trailers: Metadata | undefined;
  readonly response: ModelInferResponse | undefined;
}

/** Calls ModelInfer and gives whatever comes, status and all. */
export function infer(
  client: GRPCInferenceServiceClient,
  request = goodRequest(),
  deadlineMs = 115_000,
): Promise<Answer> {
  return inferCall(client, request, deadlineMs).answer;
}

/** As {@link infer}, for a test that cancels. */
export function inferCall(
  client: GRPCInferenceServiceClient,
  request = goodRequest(),
  deadlineMs = 115_000,
): { readonly answer: Promise<Answer>; readonly cancel: () => void } {
  let cancel = () => {};
  const answer = new Promise<Answer>((resolve) => {
    const options = { deadline: Date.now() + deadlineMs };
    const call = client.modelInfer(request, new Metadata(), options, (error, response) => {
      resolve({
        code: error?.code ?? status.OK,
        details: error?.details ?? '',
        trailers: error?.metadata,
        response: error ? undefined : response,
      });
    });
    cancel = () => call.cancel();
  });
  return { answer, cancel };
}

/** The response of one unary rpc, typed by its definition. Rejects with the ServiceError. */
export function rpc<Request, Response>(
  client: Client,
  method: MethodDefinition<Request, Response>,
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = method;
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
      if (error) reject(error);
      else if (response === undefined) reject(new Error(`${path} gave neither error nor response`));
      else resolve(response);
    });
  });
}

/** Waits for something that another process or the network brings about; fails after fifty seconds. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const until = performance.now() + 50_000;
  while (!condition()) {
    if (performance.now() > until) throw new Error(`did not come about: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
