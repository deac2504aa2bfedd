import { connect, type Socket } from 'node:net';
import { createGuard, defaults } from 'failsoft';
import { serveDashboard } from 'failsoft/dashboard';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { EventStreamReader } from '../../../src/telemetry/dashboard/server/event-stream.js';
import type { CircuitView, DeltaMessage } from '../../../src/telemetry/dashboard/view/protocol.js';
import { ask, call, EventsReader, HOSTILE, isDelta, METHOD, servedGuard } from './support.js';

function viewsIn(data: DeltaMessage | undefined): readonly CircuitView[] {
  return data?.circuits ?? [];
}

describe('/events', () => {
  it('begins with a snapshot that has the past, and goes on with changes', async () => {
    const { guard, server } = await servedGuard({
      process: 'pricing-1',
      history: { stepMs: 100, steps: 10 },
    });
    const circuit = guard.circuit(METHOD, 'm');
    call(circuit, 'success', 3);
    call(circuit, 'failure', 5);
    const reader = new EventsReader(server);
    const snapshot = await reader.snapshot();
    expect(reader.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    expect(snapshot.processes).toMatchObject([{ name: 'pricing-1', error: null, stepMs: 100, steps: 10 }]);
    const [record] = snapshot.circuits;
    expect(record?.view).toMatchObject({
      process: 'pricing-1',
      circuitKey: `${METHOD}#m`,
      state: 'open',
      mode: 'enforce',
    });
    expect(record?.timeline).toMatchObject([
      { from: 'closed', to: 'open', reason: 'consecutive-failures 5 >= 5', process: 'pricing-1' },
    ]);
    expect(snapshot.settings[record?.view.settings ?? '']).toMatchObject({
      circuit: { open: { baseMs: defaults.open.baseMs } },
    });

    const other = guard.circuit(METHOD, 'other');
    call(other, 'success', 2);
    const delta = await reader.until((message) => isDelta(message) && viewsIn(message.data).length > 0);
    expect(isDelta(delta) && viewsIn(delta.data).map(({ circuitKey }) => circuitKey)).toEqual([
      `${METHOD}#other`,
    ]);
    const step = await reader.until(
      (message) => isDelta(message) && (message.data.steps?.[0]?.samples.length ?? 0) > 0,
    );
    expect(isDelta(step) && step.data.steps?.[0]?.process).toBe('pricing-1');
  });

  it('has a transition at once, and a circuit that is gone', async () => {
    const { guard, server } = await servedGuard({ intervalMs: 10_000 }, { maxCircuits: 1 });
    const reader = new EventsReader(server);
    await reader.snapshot();
    const startMs = performance.now();
    call(guard.circuit(METHOD, 'a'), 'failure', 5);
    const told = await reader.until((message) => isDelta(message) && message.data.timeline !== undefined);
    expect(performance.now() - startMs).toBeLessThan(9_000);
    expect(isDelta(told) && told.data.timeline?.[0]).toMatchObject({ to: 'open', circuitKey: `${METHOD}#a` });
    for (const name of ['b', 'c', 'd']) call(guard.circuit(METHOD, name), 'failure', 5);
    await reader.until((message) => isDelta(message) && (message.data.removed?.length ?? 0) > 0);
  });

  it('has isolations by hand', async () => {
    const { guard, server } = await servedGuard();
    const reader = new EventsReader(server);
    await reader.snapshot();
    const handle = guard.circuit(METHOD).isolate();
    await reader.until((message) => isDelta(message) && message.data.timeline?.[0]?.to === 'isolated');
    handle.release();
    await reader.until(
      (message) => isDelta(message) && message.data.timeline?.some(({ to }) => to === 'released') === true,
    );
  });

  it('is valid for every name of a model', async () => {
    const { guard, server } = await servedGuard();
    for (const name of HOSTILE) guard.circuit(METHOD, name);
    const { circuits } = await new EventsReader(server).snapshot();
    expect(circuits.map(({ view }) => view.circuitKey).sort()).toEqual(
      guard
        .snapshots()
        .map(({ circuitKey }) => circuitKey)
        .sort(),
    );
    for (const { view } of circuits) expect(view.circuitKey.length).toBeLessThan(200);
  });

  it('keeps a history while no page is open, unless `history` is false', async () => {
    const kept = await servedGuard({ history: { stepMs: 100, steps: 10 } });
    const not = await servedGuard({ history: false });
    for (const { guard } of [kept, not]) call(guard.circuit(METHOD), 'success');
    const historyOf = async ({ server }: typeof kept): Promise<unknown[]> =>
      JSON.parse((await ask(server, '/snapshot')).text).circuits[0].history;
    await expect.poll(async () => (await historyOf(kept)).length).toBeGreaterThan(3);
    expect((await historyOf(kept)).length).toBeLessThanOrEqual(10);
    expect(await historyOf(not)).toEqual([]);
  });

  it('has no timer while no page is open and no history is kept', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const set = vi.spyOn(globalThis, 'setInterval');
    onTestFinished(() => void set.mockRestore());
    const { server } = await servedGuard({ history: false });
    expect(set).not.toHaveBeenCalled();
    const before = timers();
    const reader = new EventsReader(server);
    await reader.snapshot();
    expect(set.mock.calls.filter(([, ms]) => ms === 50)).toHaveLength(1);
    reader.close();
    // unref'ed timers are not among the active resources
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it('goes on when the guard is closed', async () => {
    const { guard, server } = await servedGuard();
    guard.circuit(METHOD);
    const reader = new EventsReader(server);
    await reader.snapshot();
    await guard.close();
    expect((await ask(server, '/snapshot')).status).toBe(200);
  });

  it('has room for `maxReaders` readers, and refuses the next with 503', async () => {
    const { server } = await servedGuard({ maxReaders: 2 });
    const readers = [new EventsReader(server), new EventsReader(server)];
    await Promise.all(readers.map((reader) => reader.snapshot()));
    const refused = await ask(server, '/events');
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '10']);
    readers[0]?.close();
    // its place is free when the server notices that it has gone
    await expect
      .poll(async () => {
        const next = new EventsReader(server);
        await next.snapshot();
        return next.status;
      })
      .toBe(200);
  });

  it('gives a reader that has not read for a while a snapshot in the place of the messages that it missed', {
    timeout: 60_000,
  }, async () => {
    const { guard, server } = await servedGuard({ history: false }, { maxCircuits: 2_000 });
    const circuits = Array.from({ length: 1_000 }, (_, n) => guard.circuit(METHOD, `model-${n}`));
    const socket = connect(server.port, '127.0.0.1', () =>
      socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    );
    onTestFinished(() => void socket.destroy());
    socket.pause();
    const live = new EventsReader(server);
    await live.snapshot();
    // messages of almost a megabyte each: more than a socket holds
    for (let round = 0; round < 20; round++) {
      const seen = live.messages.length;
      for (const circuit of circuits) call(circuit, 'success');
      await expect.poll(() => live.messages.length, { interval: 5 }).toBeGreaterThan(seen);
    }
    await new Promise<void>((resolve) => {
      let snapshots = 0;
      const stream = new EventStreamReader((event) => {
        if (event === 'snapshot') snapshots += 1;
        if (snapshots === 2) resolve();
      });
      socket.setEncoding('utf8').on('data', (text: string) => stream.push(text));
      socket.resume();
    });
  });

  it('queues nothing for a hundred readers that never read', { timeout: 60_000 }, async () => {
    const guard = createGuard({ maxCircuits: 2_000 });
    const circuits = Array.from({ length: 300 }, (_, n) => guard.circuit(METHOD, `model-${n}`));
    const server = await serveDashboard(guard, {
      intervalMs: 50,
      maxReaders: 101,
      history: { stepMs: 100, steps: 50 },
    });
    const sockets: Socket[] = [];
    onTestFinished(async () => {
      for (const socket of sockets) socket.destroy();
      await server.close();
      await guard.close();
    });
    for (let n = 0; n < 100; n++) {
      const socket = connect(server.port, '127.0.0.1', () =>
        socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n'),
      );
      socket.on('error', () => undefined);
      socket.pause();
      sockets.push(socket);
    }
    const live = new EventsReader(server);
    await live.snapshot();
    const queued = () => process.memoryUsage().arrayBuffers + process.memoryUsage().external;
    for (const circuit of circuits) call(circuit, 'success');
    await live.until((message) => isDelta(message) && viewsIn(message.data).length === 300);
    const before = queued();
    // fifteen messages of a quarter of a megabyte each: a hundred copies of them would be 400 MB
    for (let round = 0; round < 15; round++) {
      const seen = live.messages.length;
      for (const circuit of circuits) call(circuit, 'success');
      await expect.poll(() => live.messages.length, { interval: 5 }).toBeGreaterThan(seen);
    }
    expect(queued() - before).toBeLessThan(64 * 1024 * 1024);
  });
});
