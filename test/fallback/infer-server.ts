import {
  credentials,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import {
  GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
  type ModelInferRequest,
  type ModelInferResponse,
} from 'failsoft/protos/oip';

export type InferCall = ServerUnaryCall<ModelInferRequest, ModelInferResponse>;

/** A real server on a free port whose `modelInfer` is the test's. */
export async function startInferServer(modelInfer: handleUnaryCall<ModelInferRequest, ModelInferResponse>) {
  const server = new Server();
  const implementation: UntypedServiceImplementation = { modelInfer };
  server.addService(GRPCInferenceServiceService, implementation);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    // the port may be that of an earlier test's server, whose connections grpc-js still has in its common pool
    'grpc.use_local_subchannel_pool': 1,
  });
  return {
    client,
    port,
    stop: () => {
      client.close();
      server.forceShutdown();
    },
  };
}
