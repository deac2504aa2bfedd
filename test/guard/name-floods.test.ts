import { createGuard, type Guard, type Outcome } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inFull } from '../support/long.js';
import { expectProperty } from '../support/properties.js';

const METHOD = '/inference.GRPCInferenceService/ModelInfer';

/** What a flood of names does between two calls of the model that people use. */
interface Flood {
  /** Calls per legitimate one. */
  readonly ratio: number;
  readonly outcomes: readonly Outcome[];
  /** So often each name is called before the next one comes: five failures open it. */
  readonly callsPerName: number;
  /** Names come again after so many; 0: never. */
  readonly names: number;
  /** Names that failed long before, and that are never called again. */
  readonly dead?: number;
}

function bury(guard: Guard, names: number): void {
  for (let n = 0; n < names * 5; n++) {
    const permit = guard.circuit(METHOD, `dead-${Math.floor(n / 5)}`).acquire();
    if (permit.admitted) permit.settle('failure', 1);
  }
}

function flood(guard: Guard, { ratio, outcomes, callsPerName, names }: Flood, from: number): void {
  for (let n = from; n < from + ratio; n++) {
    const name = Math.floor(n / callsPerName);
    const permit = guard.circuit(METHOD, `name-${names === 0 ? name : name % names}`).acquire();
    const outcome = outcomes[n % outcomes.length] ?? 'success';
    if (permit.admitted) permit.settle(outcome, 1);
  }
}

/** The story of a model that works, is down for a second and comes back, called a hundred times a second. */
function story(against: Flood | undefined): { transitions: string[]; calls: string } {
  const clock = new ManualClock();
  const guard = createGuard({
    clock,
    circuit: { open: { baseMs: 200, jitter: 'none' }, recovering: { durationMs: 500 } },
  });
  const transitions: string[] = [];
  guard.on('transition', ({ circuitKey: circuit, from, to, reason, openings, atMs }) => {
    if (circuit.endsWith('#fraud')) transitions.push(`${from} -> ${to} at ${atMs}: ${reason} (${openings})`);
  });
  bury(guard, against?.dead ?? 0);
  clock.advance(100_000);
  let calls = '';
  for (let n = 0; n < 300; n++) {
    if (against !== undefined) flood(guard, against, n * against.ratio);
    const permit = guard.circuit(METHOD, 'fraud').acquire();
    const isDown = n >= 50 && n < 150;
    if (permit.admitted) permit.settle(isDown ? 'failure' : 'success', 1);
    calls += permit.admitted ? (isDown ? 'f' : 's') : '-';
    clock.advance(10);
  }
  expect(guard.snapshots().length).toBeLessThanOrEqual(1000);
  return { transitions, calls };
}

const undisturbed = story(undefined);

describe('a flood of names', () => {
  it('is compared with a circuit that trips and recovers', () => {
    expect(undisturbed.transitions[0]).toBe('closed -> open at 100540: consecutive-failures 5 >= 5 (1)');
    expect(undisturbed.transitions.at(-1)).toMatch(
      /^recovering -> closed at \d+: no call was refused any more \(0\)$/,
    );
    expect(undisturbed.calls.match(/f/g)?.length).toBeLessThan(12);
  });

  const NOT_FOUND: Outcome = 'caller-error';
  describe.each([1, 16, inFull(250, 80)])('of %i calls for each legitimate one', (ratio) => {
    it.each<[string, Omit<Flood, 'ratio'>]>([
      ['NOT_FOUND', { outcomes: [NOT_FOUND], callsPerName: 1, names: 0 }],
      ['success', { outcomes: ['success'], callsPerName: 1, names: 0 }],
      ['failures, a new name for each', { outcomes: ['failure'], callsPerName: 1, names: 0 }],
      ['failures that open each name', { outcomes: ['failure'], callsPerName: 5, names: 0 }],
      ['938 dead names', { outcomes: ['failure'], callsPerName: 5, names: 938 }],
      ['failures above 938 dead names', { outcomes: ['failure'], callsPerName: 1, names: 0, dead: 938 }],
      ['ignored', { outcomes: ['ignored'], callsPerName: 1, names: 0 }],
    ])('changes nothing for the model that is called: %s', (_what, against) => {
      expect(story({ ...against, ratio })).toEqual(undisturbed);
    });
  });

  it('changes nothing, whatever it is', () => {
    expectProperty(
      fc.property(
        fc.record({
          ratio: fc.constantFrom(1, 16, 100),
          outcomes: fc.array(
            fc.constantFrom<Outcome>('success', NOT_FOUND, 'failure', 'overload', 'ignored'),
            { minLength: 1, maxLength: 7 },
          ),
          callsPerName: fc.integer({ min: 1, max: 8 }),
          names: fc.constantFrom(0, 0, 10, 500, 900, 2000),
          dead: fc.constantFrom(0, 500, 938, 1500),
        }),
        (against) => {
          expect(story(against)).toEqual(undisturbed);
        },
      ),
      40,
    );
  });
});
