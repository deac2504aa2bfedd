import { setImmediate } from 'node:timers/promises';
import { Metadata, propagate, type ServerUnaryCall, type StatusObject, status } from '@grpc/grpc-js';
import { FallbackRegistry, type FallbackStrategy } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import {
  callUnary,
  type Ended,
  echoClient,
  echoService,
  type Message,
  startEchoServer,
} from '../../support/echo-service.js';
import { createGuard } from '../../support/guard.js';

const closers = closedAfterEach();

/** A server whose handler calls another server, guarded, with its own call as the parent. */
async function setUp(strategies: FallbackStrategy<Message, Message>[], flags?: number) {
  const behind = await startEchoServer();
  const front = await startEchoServer();
  const guard = createGuard({
    ...(strategies.length > 0 && {
      fallbacks: new FallbackRegistry().register(echoService.unary, strategies),
    }),
  });
  const inner = echoClient(behind.address, { interceptors: [guard.interceptor] });
  const outer = echoClient(front.address);
  closers.push(
    () => behind.close(),
    () => front.close(),
    () => inner.close(),
    () => outer.close(),
    () => guard.close(),
  );
  let tell: (ended: Ended) => void;
  const nested = new Promise<Ended>((resolve) => {
    tell = resolve;
  });
  const reached = new Promise<ServerUnaryCall<Message, Message>>((resolve) => {
    front.handlers.unary = async (call, callback) => {
      resolve(call);
      const ended = await callUnary(inner, 'nested', {
        parent: call,
        ...(flags !== undefined && { propagate_flags: flags }),
      });
      tell(ended);
      callback(ended.error ?? null, ended.value);
    };
  });
  return { behind, outer, guard, nested, reached };
}

describe('a guarded call with a parent', () => {
  it('ends with its parent, which is no evidence against the server', async () => {
    const { behind, outer, guard, nested } = await setUp([]);
    const asked = new Promise<void>((resolve) => {
      behind.handlers.unary = () => resolve();
    });
    const ended = callUnary(outer, 'a', { onCall: (call) => asked.then(() => call.cancel()) });
    expect((await ended).error?.code).toBe(status.CANCELLED);
    expect((await nested).error).toMatchObject({
      code: status.CANCELLED,
      details: 'Cancelled by parent call',
    });
    expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
      inFlight: 0,
      totals: { outcomes: { ignored: 1, failure: 0 } },
    });
  });

  it('is cancelled with it also while a fallback runs', async () => {
    let started = () => {};
    const asked = new Promise<void>((resolve) => {
      started = resolve;
    });
    const aborted: unknown[] = [];
    const { outer, guard, nested } = await setUp([
      {
        name: 'secondary:hung',
        answer: ({ signal }) => {
          signal.addEventListener('abort', () => aborted.push(signal.reason.name));
          started();
          return new Promise(() => undefined);
        },
      },
    ]);
    using _held = guard.circuit(echoService.unary).isolate();
    void callUnary(outer, 'a', { onCall: (call) => asked.then(() => call.cancel()) });
    expect((await nested).error).toMatchObject({
      code: status.CANCELLED,
      details: 'Cancelled by parent call',
    });
    expect(aborted).toEqual(['AbortError']);
  });

  it('leaves no listener on it when the fallback has answered', async () => {
    const counts: number[] = [];
    const { outer, guard, reached } = await setUp([
      {
        name: 'default',
        answer: async () => {
          await setImmediate();
          counts.push((await reached).listenerCount('cancelled'));
          return { message: { text: 'fallback' }, source: 'default' };
        },
      },
    ]);
    using _held = guard.circuit(echoService.unary).isolate();
    void reached.then((parent) => counts.push(parent.listenerCount('cancelled'))); // before the fallback is asked
    expect((await callUnary(outer, 'a')).value).toEqual({ text: 'fallback' });
    const before = counts[0] ?? Number.NaN;
    expect([...counts, (await reached).listenerCount('cancelled')]).toEqual([before, before + 1, before]);
  });

  it("has its fallback's stream end with it, and leaves no listener", async () => {
    const server = await startEchoServer();
    const guard = createGuard({
      fallbacks: new FallbackRegistry().register(echoService.serverStream, [
        {
          name: 'default',
          answer: () => ({
            source: 'default',
            message: (async function* () {
              yield { text: 'one' };
              await new Promise(() => undefined); // at once, and never done
            })(),
          }),
        },
      ]),
    });
    const client = echoClient(server.address, { interceptors: [guard.interceptor] });
    closers.push(
      () => server.close(),
      () => client.close(),
      () => guard.close(),
    );
    using _held = guard.circuit(echoService.serverStream).isolate();
    const { outer, reached } = await setUp([]);
    void callUnary(outer, 'a');
    const parent = await reached;
    const before = parent.listenerCount('cancelled');
    const stream = client.serverStream({ text: 'a' }, new Metadata(), { parent });
    const ended = new Promise<StatusObject>((resolve) => stream.on('status', resolve));
    stream.on('error', () => undefined); // the status tells the same
    stream.once('data', () => parent.emit('cancelled', 'cancelled'));
    expect(await ended).toMatchObject({ code: status.CANCELLED, details: 'Cancelled by parent call' });
    expect(parent.listenerCount('cancelled')).toBe(before);
  });

  it("has its parent's deadline, its fallbacks too", async () => {
    const seen: number[] = [];
    const { outer, guard, nested } = await setUp([
      {
        name: 'default',
        answer: ({ deadlineMs, parent }) => {
          seen.push(deadlineMs, parent === undefined ? 0 : 1);
          return { message: { text: 'fallback' }, source: 'default' };
        },
      },
    ]);
    using _held = guard.circuit(echoService.unary).isolate();
    const deadline = Date.now() + 3_600_000;
    expect((await callUnary(outer, 'a', { deadline })).value?.text).toBe('fallback');
    await nested;
    expect(Math.abs((seen[0] ?? 0) - deadline)).toBeLessThan(600_000); // it went over the wire as a time-out
    expect(seen[1]).toBe(1);
  });

  it('obeys propagate_flags', async () => {
    const seen: number[] = [];
    const { outer, guard } = await setUp(
      [
        {
          name: 'default',
          answer: ({ deadlineMs }) => {
            seen.push(deadlineMs);
            return { message: { text: 'fallback' }, source: 'default' };
          },
        },
      ],
      propagate.CANCELLATION,
    );
    using _held = guard.circuit(echoService.unary).isolate();
    await callUnary(outer, 'a', { deadline: Date.now() + 30_000 });
    expect(seen).toEqual([Number.POSITIVE_INFINITY]);
  });
});
