import { credentials } from '@grpc/grpc-js';
import { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { describe, expect, it } from 'vitest';
import { methodOf } from '../../../src/fallback/secondary/client-method.js';

const client = new GRPCInferenceServiceClient('127.0.0.1:1', credentials.createInsecure());

describe('methodOf', () => {
  it('finds the definition', () => {
    expect(methodOf(client, 'modelInfer', 'method').path).toBe('/inference.GRPCInferenceService/ModelInfer');
  });

  it.each([
    [client, 'modelInfr', 'method: expected the name of a method of a grpc-js client, got "modelInfr"'],
    [client, 'close', 'method: expected the name of a method of a grpc-js client, got "close"'],
    [client, undefined, 'method: expected the name of a method of a grpc-js client, got undefined'],
    [
      undefined,
      'modelInfer',
      'method: expected a client of grpc-js and the name of its method, got undefined',
    ],
    [
      '127.0.0.1:1',
      'modelInfer',
      'expected a client of grpc-js and the name of its method, got "127.0.0.1:1"',
    ],
  ])('says which of the two is wrong: %#', (of, name, message) => {
    expect(() => Reflect.apply(methodOf, undefined, [of, name, 'method'])).toThrow(message);
  });
});
