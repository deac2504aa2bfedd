import type { Client } from '@grpc/grpc-js';
import { invalid } from '../errors.js';
import type { Readiness, ReadinessCheck } from './check.js';
import { askUnary, eachField, stringFields, type UnaryQuestion } from './unary-question.js';

/** `ServingStatus` of grpc.health.v1. The other values, UNKNOWN and SERVICE_UNKNOWN, are no answer. */
const SERVING = 1;
const NOT_SERVING = 2;

/**
 * Asks grpc.health.v1 (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), which BentoML, vLLM and Triton implement.
 * Triton ignores the service's name.
 * @param client any client of the server: only its channel and its interceptors are used
 * @param service the service whose health is asked for. @default '' (the server as a whole)
 * @example createGuard({ recovery: { check: grpcHealth(client) } })
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function grpcHealth(client: Client, service = ''): ReadinessCheck {
  if (typeof client?.makeUnaryRequest !== 'function')
    throw invalid('grpcHealth(client)', 'a grpc-js client', client);
  if (typeof service !== 'string') throw invalid('grpcHealth(client, service)', 'a string', service);
  const question: UnaryQuestion = {
    path: '/grpc.health.v1.Health/Check',
    request: stringFields({ 1: service }),
    read: readStatus,
  };
  return { name: 'grpcHealth', scope: 'server', ask: (asked) => askUnary(client, question, asked) };
}

function readStatus(response: Uint8Array): Readiness {
  let serving = 0;
  eachField(response, (field, reader) => {
    if (field !== 1) return false;
    serving = reader.int32();
    return true;
  });
  if (serving === SERVING) return 'ready';
  return serving === NOT_SERVING ? 'not-ready' : 'no-answer';
}
