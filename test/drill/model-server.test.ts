import { status } from '@grpc/grpc-js';
import { ManualClock, seededRandom } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { capacityOf, fullSpec } from '../../drill/scenario/phases.js';
import type { ServerSpec } from '../../drill/scenario/scenario.js';
import { ModelServer, type Reply } from '../../drill/server/model-server.js';

function server(spec: ServerSpec = {}) {
  const clock = new ManualClock();
  const deaths: number[] = [];
  const models = new ModelServer(fullSpec(spec), clock, seededRandom(1), () => deaths.push(clock.now()));
  const call = (model = 'large', bad = false) => {
    const replies: (Reply & { atMs: number })[] = [];
    const leave = models.arrive(model, bad, (reply) => replies.push({ ...reply, atMs: clock.now() }));
    return { replies, leave };
  };
  return { clock, models, call, deaths };
}

describe('the model server', () => {
  it('answers in about its service time', () => {
    const { clock, call } = server();
    const { replies } = call();
    clock.advance(100);
    expect(replies).toHaveLength(1);
    expect(replies[0]?.code).toBe(status.OK);
    expect(replies[0]?.atMs).toBeGreaterThan(12);
    expect(replies[0]?.atMs).toBeLessThan(33);
  });

  it('answers as many calls per second as its specification has, and refuses calls that its queue cannot take', () => {
    const spec = { serviceMs: 40, concurrency: 4, maxQueued: 12 };
    const { clock, call } = server(spec);
    const calls = [];
    for (let ms = 0; ms < 10_000; ms += 2) {
      calls.push(call());
      clock.advance(2);
    }
    const codes = calls.flatMap(({ replies }) => replies.map(({ code }) => code));
    const answered = codes.filter((code) => code === status.OK).length / 10;
    expect(answered / capacityOf(fullSpec(spec))).toBeCloseTo(1, 1);
    expect(codes.filter((code) => code === status.RESOURCE_EXHAUSTED).length).toBeGreaterThan(3_000);
  });

  it('gives a place back when a caller leaves that hangs or waits, not when it is worked on', () => {
    const { clock, models, call } = server({ concurrency: 1 });
    models.setTrouble(undefined, { hangShare: 1 }, 1_000);
    const hung = call();
    models.setTrouble(undefined, {}, 0);
    const worked = call();
    const waits = call();
    expect(models.inFlight).toBe(3);
    for (const { leave } of [hung, hung, waits, worked]) leave();
    expect(models.inFlight).toBe(1);
    clock.advance(100);
    expect(models.inFlight).toBe(0);
    expect([hung, waits, worked].flatMap(({ replies }) => replies)).toEqual([]);
  });

  it('reports the chance that a call would be answered', () => {
    const { models, call } = server({ serviceMs: 40, concurrency: 1, maxQueued: 2 });
    const chance = () => models.health(100).chances[0];
    expect(chance()).toBe(1);
    models.setTrouble('large', { hangShare: 0.5, errorShare: 0.2 }, 1_000);
    expect(chance()).toBe(0.4);
    models.setTrouble('large', { latencyMultiplier: 20 }, 1_000);
    expect(chance()).toBe(0);
    models.setTrouble('large', {}, 0);
    call();
    call();
    expect(chance()).toBe(0); // 40 ms for each of two before it, and 40 of its own
    expect(models.health(200).chances).toEqual([1]);
    call();
    expect(models.health(200).chances).toEqual([0]); // full
  });

  it('pushes back for as long as the trouble lasts', () => {
    const { clock, models, call } = server();
    models.setTrouble(undefined, { errorShare: 1, errorCode: 8, pushesBack: true }, 2_000);
    clock.advance(500);
    const { replies } = call();
    clock.advance(1);
    expect(replies[0]).toMatchObject({ code: 8, pushbackMs: 1_499 + 1 });
  });

  it('is cold from its first call on, and dies when too many wait', () => {
    const { clock, call, deaths, models } = server({
      ...{ serviceMs: 20, concurrency: 1, cold: { multiplier: 6, durationMs: 4_000 } },
      dies: { whenQueued: 3, downMs: 1_000 },
    });
    clock.advance(10_000);
    expect(models.health(100).chances).toEqual([0]); // 120 ms
    const { replies } = call();
    clock.advance(60);
    expect(replies).toEqual([]);
    clock.advance(6_000);
    expect(models.health(100).chances).toEqual([1]);
    for (let n = 0; n < 4; n++) call();
    expect(deaths).toHaveLength(1);
  });

  it('refuses a bad request, whatever else is wrong', () => {
    const { clock, models, call } = server();
    models.setTrouble(undefined, { hangShare: 1 }, 1_000);
    const { replies } = call('large', true);
    clock.advance(1);
    expect(replies[0]?.code).toBe(status.INVALID_ARGUMENT);
  });
});
