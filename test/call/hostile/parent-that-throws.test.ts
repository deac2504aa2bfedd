import { EventEmitter } from 'node:events';
import { type CallOptions, Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { perKey, perMethod } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { KINDS, type Kind } from '../../support/call-script.js';
import { closedAfterEach } from '../../support/closers.js';
import {
  callUnary,
  type EchoClient,
  echoClient,
  type Message,
  startEchoServer,
} from '../../support/echo-service.js';
import { capabilities, createGuard, neverTrip } from '../../support/guard.js';
import { decliningFallbacks } from '../../support/guard-variants.js';
import { uncaughtErrors } from '../../support/uncaught.js';
import { observe } from './two-clients.js';

const closers = closedAfterEach();
const LIMIT = 2;

/** What a caller may give as `parent` where no compiler looks. */
const parentOf = (made: object) => made as NonNullable<CallOptions['parent']>;
const PARENTS: Readonly<Record<string, () => NonNullable<CallOptions['parent']>>> = {
  'without getDeadline': () => parentOf(new EventEmitter()),
  'whose getDeadline throws': () =>
    parentOf(
      Object.assign(new EventEmitter(), {
        getDeadline: () => {
          throw new TypeError('no deadline to be had');
        },
      }),
    ),
  'that is no emitter': () => parentOf({ getDeadline: () => Number.POSITIVE_INFINITY }),
};

/** How a call ends whose parent is this: by what the client's method throws, or by a status. */
async function endOf(
  client: EchoClient,
  kind: Kind,
  parent: NonNullable<CallOptions['parent']>,
): Promise<string> {
  try {
    const { code } = await observe(client, kind, { parent });
    return `status ${status[code]}`;
  } catch (error) {
    return `thrown ${error instanceof Error ? error.name : String(error)}`;
  }
}

const keyed = perKey(({ request }) => (request as Message | undefined)?.text);

describe.each(Object.entries(PARENTS))('a parent %s', (_which, make) => {
  describe.each([
    ['per method', perMethod(), false],
    ['per method, with a chain', perMethod(), true],
    ['by the request', keyed, false],
    ['by the request, with a chain', keyed, true],
  ] as const)('%s', (_keys, keyBy, chain) => {
    it.each(KINDS)('costs no permit (%s)', async (kind) => {
      const server = await startEchoServer();
      const concurrency = { type: 'fixed', limit: LIMIT } as const;
      const guard = createGuard({
        keyBy,
        circuit: { ...neverTrip(), ...(capabilities.concurrency && { concurrency }) },
        ...(chain && { fallbacks: decliningFallbacks() }),
      });
      const plain = echoClient(server.address);
      const client = echoClient(server.address, { interceptors: [guard.interceptor] });
      closers.push(
        () => server.close(),
        () => plain.close(),
        () => client.close(),
        () => guard.close(),
      );
      const errors = uncaughtErrors(closers);
      const expected = await endOf(plain, kind, make());
      for (let n = 0; n < 2 * LIMIT; n++) {
        const end = await endOf(client, kind, make());
        // A streamed call that waits for its key ends when its client's method has returned already.
        if (end !== expected) expect(end).toMatch(/^status (UNAVAILABLE|INTERNAL|UNKNOWN)$/);
        if (keyBy !== keyed) expect(end).toBe(expected);
      }
      expect(guard.snapshots().reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(0);
      expect((await observe(client, kind)).code).toBe(status.OK);
      expect(errors).toEqual([]); // the error of a stream that its caller never got would be nobody's to catch
    });
  });
});

it('an invalid deadline costs no permit either', async () => {
  const server = await startEchoServer();
  const guard = createGuard({ circuit: neverTrip() });
  const plain = echoClient(server.address);
  const client = echoClient(server.address, { interceptors: [guard.interceptor] });
  closers.push(
    () => server.close(),
    () => plain.close(),
    () => client.close(),
    () => guard.close(),
  );
  const deadline = {
    [Symbol.toPrimitive]: () => {
      throw new TypeError('no number');
    },
  } as unknown as number;
  const attempt = (of: EchoClient) => () =>
    of.unary({ text: 'a' }, new Metadata(), { deadline }, () => undefined);
  expect(attempt(plain)).toThrow();
  expect(attempt(client)).toThrow();
  expect(guard.snapshots().reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(0);
  const ended: { status: StatusObject } = await callUnary(client, 'a');
  expect(ended.status.code).toBe(status.OK);
});
