import { credentials, type Interceptor, status } from '@grpc/grpc-js';
import { circuitRejectionOf, perModel } from 'failsoft';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { demandRequest, startMockServer } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { capabilities, createGuard, openFor, tripAfter } from '../support/guard.js';

const closers = closedAfterEach();
/** Not a method's path, and with what divides a key. */
const name = 'http://features#v1/a/b';
const down = () => Promise.reject(new Error('down'));
const { path } = GRPCInferenceServiceService.modelInfer;

async function setUp(target = '') {
  const server = await startMockServer({ latencyMs: 0 });
  const guard = createGuard({ keyBy: perModel(), circuit: { ...tripAfter(1), ...openFor(60_000) } });
  const interceptor: Interceptor = target === '' ? guard.interceptor : guard.forTarget(target);
  const insecure = credentials.createInsecure();
  const client = new GRPCInferenceServiceClient(server.address, insecure, { interceptors: [interceptor] });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  const predict = () =>
    new Promise<unknown>((resolve) => {
      client.modelInfer(demandRequest('demand-large', Array<number>(16).fill(0)), resolve);
    });
  return { server, guard, predict };
}

describe('guard.circuit() with the key that an event, a snapshot or a rejection names', () => {
  it('is the circuit of the calls, not another of the same name', async () => {
    const { server, guard, predict } = await setUp();
    server.faults.set('demand-large', { error: { code: status.UNAVAILABLE } });
    const opened: string[] = [];
    guard.on('transition', ({ circuitKey: circuit }) => opened.push(circuit));
    await predict();
    expect(opened).toEqual([`${path}#demand-large`]);
    expect(guard.circuit(opened[0] ?? '')).toBe(guard.circuit(path, 'demand-large'));
    expect(guard.circuit(opened[0] ?? '').state).toBe('open');
    expect(guard.snapshots().map(({ circuitKey: key }) => key)).toEqual(opened);
  });

  it('reaches the circuits of a target, also before their first call', async () => {
    const { guard, predict } = await setUp('eu');
    const handle = guard.circuit(`eu${path}`, 'demand-large').isolate();
    const rejection = circuitRejectionOf(await predict());
    expect(rejection).toMatchObject({ reason: 'ISOLATED', circuitKey: `eu${path}#demand-large` });
    expect(guard.circuit(rejection?.circuitKey ?? '').snapshot().isolated).toBe(1);
    handle.release();
    expect(await predict()).toBeNull();
  });

  it('has no other part beside its own', async () => {
    const { guard } = await setUp();
    expect(() => guard.circuit(`${path}#demand-large`, 'demand-small')).toThrow(
      'circuit(method, part): expected no part beside that of the key, got "demand-small"',
    );
  });

  it('is that of execute() too, whatever its name', async () => {
    const { guard } = await setUp();
    await expect(guard.execute(name, down)).rejects.toThrow('down');
    await expect(guard.execute(name, down)).rejects.toMatchObject({ code: 'FAILSOFT_REJECTED' });
    expect(guard.circuit(name).state).toBe('open');
    expect(guard.snapshots().map(({ circuitKey: key }) => key)).toEqual([name]);
  });

  const itRestores = capabilities.restore ? it : () => undefined;
  itRestores('is the one that a snapshot of execute() goes back to', async () => {
    const { guard } = await setUp();
    await expect(guard.execute(name, down)).rejects.toThrow('down');
    const { guard: next } = await setUp();
    next.restore(guard.snapshots());
    await expect(next.execute(name, down)).rejects.toMatchObject({ code: 'FAILSOFT_REJECTED' });
    expect(next.snapshots().map(({ circuitKey: key }) => key)).toEqual([name]);
  });
});
