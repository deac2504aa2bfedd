import { type Interceptor, logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import type { Guard } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { KINDS, type Kind } from '../../support/call-script.js';
import { closedAfterEach } from '../../support/closers.js';
import { createGuard, neverTrip } from '../../support/guard.js';
import { inFull } from '../../support/long.js';
import { uncaughtErrors } from '../../support/uncaught.js';
import { BROKEN_CONNECTIONS, HOSTILE_ANSWERS } from './raw-answers.js';
import type { RawAnswer } from './raw-steps.js';
import { CHAINS, difference, fallbacksOf, rawClient, type Seen, unsettled } from './two-clients.js';

const closers = closedAfterEach();
setLogVerbosity(logVerbosity.NONE); // it reports each header that it cannot take

type Answers = readonly (readonly [string, RawAnswer])[];
type Ask = (kind: Kind, interceptors: readonly Interceptor[]) => Promise<readonly Seen[]>;

/** On one client, one answer after the other: what an answer does to the connection, the next call finds. */
const inTurn =
  (answers: Answers): Ask =>
  async (kind, interceptors) => {
    const client = await rawClient(interceptors);
    closers.push(() => client.close());
    const seen: Seen[] = [];
    for (const [, answer] of answers) seen.push(await client.ask(answer, kind));
    return seen;
  };

/** Each answer on a client of its own, side by side, with a deadline. */
const apart =
  (answers: Answers): Ask =>
  (kind, interceptors) =>
    Promise.all(answers.map(([, answer]) => askAlone(answer, kind, interceptors, DEADLINE_MS)));

async function askAlone(
  answer: RawAnswer,
  kind: Kind,
  interceptors: readonly Interceptor[],
  deadlineMs: number,
): Promise<Seen> {
  const client = await rawClient(interceptors);
  closers.push(() => client.close());
  return client.ask(answer, kind, deadlineMs);
}

const DEADLINE_MS = 1_000;
/** On a busy machine the deadline may come before what else ends a call: then both are asked again, with more time. */
const LONG_DEADLINE_MS = 8_000;
const chains = Object.keys(CHAINS);
/** In `npm test`, every chain with one kind or two, and every kind with two chains. */
const PAIRS = KINDS.flatMap((kind, k) => chains.map((chain, c) => ({ kind, chain, sum: k + c }))).filter(
  ({ sum }) => inFull(true, sum % 3 === 0),
);

describe.each([
  ['', Object.entries(HOSTILE_ANSWERS), inTurn, PAIRS.map(({ kind, chain }) => [[kind], [chain]] as const)],
  // most of these end at their deadline: all kinds and chains wait for it together
  [' whose connection breaks the protocol', Object.entries(BROKEN_CONNECTIONS), apart, [[KINDS, chains]]],
] as const)('whatever a server sends, a call%s', (_what, answers, how, together) => {
  const ask = how(answers);
  /** An unguarded client sees the same beside every chain. */
  const unguarded = new Map<Kind, Promise<readonly Seen[]>>();
  const askUnguarded = (kind: Kind) => {
    const seen = unguarded.get(kind) ?? ask(kind, []);
    unguarded.set(kind, seen);
    return seen;
  };

  it.each<readonly [readonly Kind[], readonly string[]]>(together)(
    'of the kinds %j ends once, as it does without a guard, with %j',
    async (kinds, list) => {
      const errors = uncaughtErrors(closers);
      const problems: Record<string, unknown> = {};
      const compare = async (chain: string, kind: Kind, guard: Guard) => {
        const [plain, guarded] = await Promise.all([askUnguarded(kind), ask(kind, [guard.interceptor])]);
        const check = async ([name, answer]: readonly [string, RawAnswer], index: number) => {
          const [before, after] = [plain[index], guarded[index]];
          let differs = before && after ? difference(before, after, chain) : 'nothing was seen';
          if (differs !== undefined && how === apart) {
            const again = (interceptors: readonly Interceptor[]) =>
              askAlone(answer, kind, interceptors, LONG_DEADLINE_MS);
            differs = difference(await again([]), await again([guard.interceptor]), chain);
          }
          if (differs !== undefined) problems[`${chain}, ${kind}, ${name}`] = differs;
        };
        await Promise.all(answers.map(check));
      };
      const tryChain = async (chain: string) => {
        const guard = createGuard({
          circuit: neverTrip(),
          fallbacks: fallbacksOf(CHAINS[chain]),
          fallbackReserveMs: 0, // with a reserve, a stream ends in the guard's words, and before its deadline
        });
        closers.push(() => guard.close());
        await Promise.all(kinds.map((kind) => compare(chain, kind, guard)));
        const left = unsettled(guard);
        if (left.length > 0) problems[chain] = left;
      };
      await Promise.all(list.map(tryChain));
      expect({ problems, errors }).toEqual({ problems: {}, errors: [] });
    },
  );
});
