import type { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import { predict } from './predict.js';
import { problemOf } from './problem.js';

export interface GatewayOptions {
  /** A client of the models, guarded or not. The caller closes it. */
  readonly client: GRPCInferenceServiceClient;
  /** Time limit of a request in milliseconds, fallbacks included. @default 300 */
  readonly deadlineMs?: number;
}

interface PredictRoute {
  readonly Body: { readonly features: number[]; readonly model?: string };
  readonly Querystring: { readonly fallback?: 'chain' | 'none' };
}

/** The largest 32-bit float: the tensor's datatype is FP32. */
const MAX_FLOAT32 = 3.4028234663852886e38;

const schema = {
  body: {
    type: 'object',
    required: ['features'],
    additionalProperties: false,
    properties: {
      // The model checks the number of features: it answers INVALID_ARGUMENT, which becomes a 400.
      features: {
        type: 'array',
        maxItems: 1024,
        items: { type: 'number', minimum: -MAX_FLOAT32, maximum: MAX_FLOAT32 },
      },
      model: { type: 'string', minLength: 1, maxLength: 100 },
    },
  },
  // gRPC metadata may only have printable ASCII; HTTP headers may have more.
  headers: { type: 'object', properties: { authorization: { type: 'string', pattern: '^[ -~]*$' } } },
  querystring: { type: 'object', properties: { fallback: { enum: ['chain', 'none'] } } },
};

/** `POST /predict` in front of the models: predictions as JSON, errors as problems (RFC 9457). */
export function buildGateway({ client, deadlineMs = 300 }: GatewayOptions): FastifyInstance {
  const gateway = fastify({ ajv: { customOptions: { coerceTypes: false, removeAdditional: false } } });

  gateway.post<PredictRoute>('/predict', { schema }, async (request, reply) => {
    const { model = 'demand-large', features } = request.body;
    const prediction = await predict(client, {
      model,
      features,
      deadlineMs,
      fallback: request.query.fallback !== 'none',
      authorization: request.headers.authorization,
      signal: signalOf(reply),
    });
    const { source, degraded, ageMs } = prediction.provenance;
    if (degraded) reply.header('x-failsoft-source', source);
    if (ageMs !== undefined) reply.header('age', Math.floor(ageMs / 1_000));
    return { model: prediction.model, level: prediction.level };
  });

  gateway.setErrorHandler((error, _request, reply) => {
    const { problem, retryAfterS } = problemOf(error);
    if (retryAfterS !== undefined) reply.header('retry-after', retryAfterS);
    return reply.code(problem.status).type('application/problem+json').send(problem);
  });
  gateway.setNotFoundHandler(() => {
    throw Object.assign(new Error('The only route is POST /predict.'), { statusCode: 404 });
  });
  return gateway;
}

/** Aborts when the HTTP caller leaves before it has an answer, so that the model can stop its work. */
function signalOf(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableEnded) controller.abort();
  });
  return controller.signal;
}
