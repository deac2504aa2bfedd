import { Client, Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';
import proto from '@temporalio/proto';
import { defaultPrediction, lastGood } from 'failsoft';

const SERVICE = 'temporal.api.workflowservice.v1.WorkflowService';
const messages = proto.temporal.api.workflowservice.v1;

/** A method as a server needs it. The client itself sends and takes bytes. */
const methodOf = (name) => {
  const [request, response] = [messages[`${name}Request`], messages[`${name}Response`]];
  return {
    path: `/${SERVICE}/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (value) => Buffer.from(request.encode(value).finish()),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: (value) => Buffer.from(response.encode(value).finish()),
    responseDeserialize: (bytes) => response.decode(bytes),
  };
};
const CountWorkflowExecutions = methodOf('CountWorkflowExecutions');

export const library = {
  // A Temporal that counts as many workflows as the query says.
  services: [
    [
      { CountWorkflowExecutions, GetSystemInfo: methodOf('GetSystemInfo') },
      {
        CountWorkflowExecutions: ({ request }, done) => done(null, { count: Number(request.query) }),
        GetSystemInfo: (_call, done) => done(null, {}),
      },
    ],
  ],
  faults: SERVICE,
  circuitKey: CountWorkflowExecutions.path,
  register: (fallbacks) => {
    // The client hands bytes to grpc-js, and takes bytes: so does the chain.
    const same = (bytes) => bytes;
    const asBytes = {
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    };
    const definition = { ...CountWorkflowExecutions, ...asBytes };
    const none = messages.CountWorkflowExecutionsResponse.encode({ count: -1 }).finish();
    fallbacks.register(definition, [lastGood(), defaultPrediction(Buffer.from(none))]);
  },
  connect: async (address, guard) => {
    const retry = makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: 2 }));
    const connection = await Connection.connect({
      address,
      channelArgs: guard.clientOptions(),
      interceptors: [guard.interceptor, retry],
    });
    const client = new Client({ connection });
    return {
      ask: async (value) => ({ answer: (await client.workflow.count(`${value}`)).count }),
      close: () => connection.close(),
    };
  },
};
