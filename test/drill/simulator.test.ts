import { status } from '@grpc/grpc-js';
import { seededRandom } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { viewOf } from '../../drill/figures/cell-view.js';
import { figuresOf } from '../../drill/figures/figures.js';
import { fullSpec, phasesOf } from '../../drill/scenario/phases.js';
import { SCENARIOS } from '../../drill/scenarios/index.js';
import { Channel } from '../../drill/simulator/channel.js';
import { HERD_VARIANTS, runHerd } from '../../drill/simulator/herd.js';
import { Network } from '../../drill/simulator/network.js';
import { simulateCell, whyNotSimulated } from '../../drill/simulator/sim-cell.js';
import { simulateScenario } from '../../drill/simulator/sim-matrix.js';
import { SimServer } from '../../drill/simulator/sim-server.js';
import { guardedBackoff, simContestants } from '../../drill/simulator/strategies.js';
import { VirtualClock } from '../../drill/simulator/virtual-clock.js';

function scenarioNamed(name: string) {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found === undefined) throw new Error(`no scenario ${name}`);
  return found;
}

function contestantNamed(name: string) {
  const found = simContestants(500).find((contestant) => contestant.name === name);
  if (found === undefined) throw new Error(`no contestant ${name}`);
  return found;
}

describe('the virtual clock', () => {
  it('runs events in the order of time, and events of the same instant in the order in which they were set', () => {
    const clock = new VirtualClock();
    const random = seededRandom(5);
    const ran: { at: number; n: number }[] = [];
    const due = Array.from({ length: 500 }, (_, n) => ({ n, at: Math.floor(random() * 50) }));
    for (const { n, at } of due) clock.setTimer(() => ran.push({ at: clock.now(), n }), at);
    clock.runUntil(100);
    expect(ran).toEqual(due.sort((a, b) => a.at - b.at || a.n - b.n).map(({ at, n }) => ({ at, n })));
    expect(clock.now()).toBe(100);
  });

  it('runs events that events set, and no cancelled event', () => {
    const clock = new VirtualClock();
    const ran: number[] = [];
    const cancel = clock.setTimer(() => ran.push(-1), 5);
    clock.setTimer(() => {
      cancel();
      clock.setTimer(() => ran.push(clock.now()), 3);
      clock.setTimer(() => ran.push(clock.now()), -7);
    }, 4);
    clock.runUntil(6);
    expect(ran).toEqual([4]);
    clock.runUntil(7);
    expect(ran).toEqual([4, 7]);
  });
});

describe('the channel', () => {
  function open() {
    const clock = new VirtualClock();
    const server = new SimServer(fullSpec(), clock, seededRandom(1), 500);
    const channel = new Channel(server, new Network(clock, seededRandom(2)), clock, seededRandom(3));
    const codes: [number, number][] = [];
    let id = 0;
    const call = () =>
      channel.send({
        ...{ id: id++, model: 'large', bad: false },
        done: ({ code }) => codes.push([Math.round(clock.now()), code]),
      });
    return { clock, server, call, codes };
  }

  it('connects when it is first called, and answers', () => {
    const { clock, call, codes } = open();
    call();
    clock.runUntil(100);
    expect(codes.map(([, code]) => code)).toEqual([status.OK]);
  });

  it('fails calls at once after a failed attempt, and waits longer each time, as grpc-js does', () => {
    const { clock, server, call, codes } = open();
    server.kill(4_500);
    for (let ms = 0; ms < 10_000; ms += 20) {
      call();
      clock.runUntil(ms + 20);
    }
    const firstOk = codes.find(([, code]) => code === status.OK)?.[0] ?? 0;
    // attempts at 0, 1 s, 2.6 s and 5.2 s, give or take a fifth of the later waits
    expect(firstOk).toBeGreaterThan(4_500);
    expect(firstOk).toBeLessThan(6_100);
    const failed = codes.filter(([, code]) => code === status.UNAVAILABLE);
    expect(failed.length).toBeGreaterThan(200);
  });

  it('fails the calls of a connection that is reset, and connects again at the next call', () => {
    const { clock, server, call, codes } = open();
    call();
    clock.runUntil(5);
    server.resetAll();
    clock.runUntil(10);
    expect(codes.map(([, code]) => code)).toEqual([status.UNAVAILABLE]);
    call();
    clock.runUntil(100);
    expect(codes.map(([, code]) => code)).toEqual([status.UNAVAILABLE, status.OK]);
  });

  it('leaves the server when its caller leaves', () => {
    const { clock, server, call, codes } = open();
    server.trouble(undefined, { hangShare: 1 }, 10_000);
    const cancel = call();
    clock.runUntil(20);
    expect(server.inFlight).toBe(1);
    cancel();
    clock.runUntil(40);
    expect(server.inFlight).toBe(0);
    expect(codes).toEqual([]);
  });

  it('holds back the messages to a stopped process until it goes on', () => {
    const { clock, server, call, codes } = open();
    call();
    clock.runUntil(100);
    server.stop(1_000);
    call();
    clock.runUntil(1_000);
    expect(codes).toHaveLength(1);
    clock.runUntil(1_300);
    expect(codes).toHaveLength(2);
    expect(codes[1]?.[0]).toBeGreaterThan(1_100);
  });
});

describe('the check of the channel, in the simulator', () => {
  function guarded(name: string) {
    const scenario = scenarioNamed(name);
    const view = viewOf(
      simulateCell(scenario, contestantNamed('failsoft'), 1, true),
      phasesOf(scenario, true),
      ['large'],
    );
    return figuresOf(view, 20);
  }

  it('calls that were never sent are no probes, and a connection that is back ends the open time', () => {
    const { callerProbes, recoveredMs } = guarded('hard-down-30');
    expect(callerProbes).toBe(0);
    expect(recoveredMs ?? Number.POSITIVE_INFINITY).toBeLessThan(1_000);
  });

  it('calls with deadlines that no server could keep are no evidence', () => {
    expect(guarded('tiny-deadlines')).toMatchObject({ falseTrips: 0, primary: 1 });
  });

  it('calls that are lost with a connection are one failure', () => {
    expect(guarded('reset-200')).toMatchObject({ falseTrips: 0 });
    expect(guarded('lb-resets')).toMatchObject({ falseTrips: 0 });
  });

  it('waits between attempts to connect as long as a client of clientOptions() does', () => {
    expect(guardedBackoff({})).toEqual({ initialMs: 250, maxMs: 500 });
    expect(guardedBackoff({ open: { baseMs: 200 } })).toEqual({ initialMs: 100, maxMs: 100 });
  });
});

describe('synthetic probes, in the simulator', () => {
  /** The mean time to the recovery after hangs of several lengths, and the callers' calls that were probes for nothing. */
  function afterHangs(name: string) {
    const contestant = contestantNamed(name);
    const lengthsMs = [3_000, 3_300, 3_600, 3_900, 4_200, 4_500, 4_800, 5_100];
    const figures = lengthsMs.map((faultMs, index) => {
      const scenario = { ...scenarioNamed('hang'), faultMs };
      const record = simulateCell(scenario, contestant, index + 1, true);
      return figuresOf(viewOf(record, phasesOf(scenario, true), ['large']), 20);
    });
    const sum = (of: 'recoveredMs' | 'callerProbes') =>
      figures.reduce((total, each) => total + (each[of] ?? Number.POSITIVE_INFINITY), 0);
    return { recoveredMs: sum('recoveredMs') / figures.length, callerProbes: sum('callerProbes') };
  }

  it("find a server's return sooner than callers' calls, and cost no caller a call", () => {
    const [callers, synthetic] = [afterHangs('failsoft'), afterHangs('failsoft-tuned')];
    expect(callers.callerProbes).toBeGreaterThan(0);
    expect(synthetic.callerProbes).toBe(0);
    expect(synthetic.recoveredMs).toBeLessThan(callers.recoveredMs);
  });

  it('are sent again where the channel had no connection', () => {
    const scenario = scenarioNamed('hard-down');
    const view = viewOf(
      simulateCell(scenario, contestantNamed('failsoft-tuned'), 1, true),
      phasesOf(scenario, true),
      ['large'],
    );
    expect(figuresOf(view, 20).recoveredMs ?? Number.POSITIVE_INFINITY).toBeLessThan(1_000);
  });
});

describe('a simulated drill', () => {
  const tuned = contestantNamed('failsoft-tuned');

  it('is the same for the same seed, and differs for another seed', () => {
    const run = (seed: number) => {
      const scenario = scenarioNamed('hard-down');
      return viewOf(simulateCell(scenario, tuned, seed, true), phasesOf(scenario, true), ['large']);
    };
    expect(run(1)).toEqual(run(1));
    expect(run(1).calls.length).toBeGreaterThan(800);
    expect(run(2)).not.toEqual(run(1));
  });

  it('answers every call once, and records which of them reached the server', () => {
    for (const scenario of SCENARIOS.filter((candidate) => whyNotSimulated(candidate) === undefined).slice(
      0,
      8,
    )) {
      const record = simulateCell(scenario, tuned, 1, true);
      const ids = record.clients[0]?.calls.map(({ id }) => id) ?? [];
      expect(new Set(ids).size).toBe(ids.length);
      const { calls } = viewOf(record, phasesOf(scenario, true), fullSpec(scenario.servers).models);
      for (const { end, reached } of calls) if (end === 'primary') expect(reached).toBe(1);
    }
  });

  it('gives the reason for each scenario that it does not run', () => {
    const reasons = Object.fromEntries(
      SCENARIOS.map((scenario) => [scenario.name, whyNotSimulated(scenario)]),
    );
    expect(reasons).toMatchObject({
      'cold-client': 'the simulator has no compiler and no TLS',
      'rolling-restart': 'the simulator has no load balancer',
      'hard-down': undefined,
    });
    expect(Object.values(reasons).filter((reason) => reason === undefined).length).toBeGreaterThan(18);
  });

  it('agrees with the wire about a server that falls over when all clients return at once', () => {
    const { contestants } = simulateScenario(scenarioNamed('cold-start'), ['none', 'failsoft'], 2, true);
    const [none, failsoft] = contestants;
    expect(none?.primaryAtEnd).toBeLessThan(0.5);
    expect(failsoft?.primaryAtEnd).toBeGreaterThan(0.9);
  });
});

describe('a herd', () => {
  it('is the same for the same seed', () => {
    const [, variant] = HERD_VARIANTS;
    if (variant === undefined) throw new Error('no variant');
    expect(runHerd(30, variant, 3)).toEqual(runHerd(30, variant, 3));
    expect(runHerd(30, variant, 3)).not.toEqual(runHerd(30, variant, 4));
  });

  it('kills a cold server again and again without circuits; with circuits the server warms up', () => {
    const result = (name: string) => {
      const variant = HERD_VARIANTS.find((candidate) => candidate.name.startsWith(name));
      if (variant === undefined) throw new Error(`no variant ${name}`);
      return runHerd(100, variant, 1);
    };
    const [bare, guarded] = [result('no circuit'), result('jitter and ramp')];
    expect(bare.secondOutages).toBeGreaterThan(3);
    expect(guarded.secondOutages).toBeLessThan(bare.secondOutages);
    expect(guarded.triedWhileDown).toBeLessThan(bare.triedWhileDown);
    expect(guarded.primaryAfter).toBeGreaterThan(bare.primaryAfter);
  });
});
