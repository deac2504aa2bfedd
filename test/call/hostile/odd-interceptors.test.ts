import { setTimeout } from 'node:timers/promises';
import type { Interceptor } from '@grpc/grpc-js';
import { type KeyBy, perKey, perMethod } from 'failsoft';
import { beforeAll, describe, expect, it } from 'vitest';
import { KINDS, type Kind } from '../../support/call-script.js';
import { closedAfterEach } from '../../support/closers.js';
import { echoClient, type Message, ready, startEchoServer } from '../../support/echo-service.js';
import { createGuard, neverTrip } from '../../support/guard.js';
import { uncaughtErrors } from '../../support/uncaught.js';
import { HANGING, LEAVING, ODD } from './odd-interceptors.js';
import { CHAINS, fallbacksOf, observe, quiet } from './two-clients.js';

const closers = closedAfterEach();

/** How a call of each kind ended: by what its method threw, or by its events; and the errors that nobody caught. */
interface Endings {
  readonly events: Readonly<Record<Kind, readonly string[]>>;
  readonly errors: readonly string[];
}

const THROWN = 'thrown ';
/** The deadline of a call that nobody can cancel. None of those ends by itself: it is as short as it can be. */
const LEFT_MS = 100;

async function endings(
  address: string,
  what: string,
  interceptors: readonly Interceptor[],
  errors: string[],
  closing: (() => unknown)[],
): Promise<Endings> {
  const client = echoClient(address, { interceptors: [...interceptors] });
  closing.push(() => client.close());
  await ready(client);
  const before = errors.length;
  const leaves = LEAVING.includes(what);
  const end = async (kind: Kind) => {
    const hangs = HANGING[what]?.includes(kind) === true;
    // what hangs can be cancelled: a deadline might come before what it still gets
    const options = leaves && !hangs ? { deadline: Date.now() + LEFT_MS } : {};
    try {
      return (await observe(client, kind, options, hangs)).events;
    } catch (error) {
      return [`${THROWN}${error instanceof Error ? error.message : String(error)}`];
    }
  };
  const [unary = [], clientStream = [], serverStream = [], bidi = []] = await Promise.all(KINDS.map(end));
  if (leaves) {
    await setTimeout(LEFT_MS + 20); // a stream that its caller never got ends with an error, too
    await quiet();
  }
  const uncaught = errors.slice(before).map((error) => error.replace(/Deadline exceeded.*/, ''));
  return { events: { unary, clientStream, serverStream, bidi }, errors: uncaught.sort() };
}

const keyed = perKey(({ request }) => (request as Message | undefined)?.text);
const PLACES: Readonly<Record<string, (guard: Interceptor, odd: Interceptor) => Interceptor[]>> = {
  behind: (guard, odd) => [guard, odd],
  before: (guard, odd) => [odd, guard],
};

/**
 * The two endings of a call whose half-close overtakes its only message: an interceptor that delays both hands grpc-js the
 * half-close first. Then it is a race, without a guard too: grpc-js's own late write fails (INTERNAL), unless the server's
 * answer to a call without a message arrives before (UNIMPLEMENTED).
 */
const OVERTAKEN =
  /^(error|status) (?:13 "Write error: write after end"|12 "Received no request message [^"]*").*/;
const withOneEnding = (events: readonly string[]) =>
  events.map((event) => event.replace(OVERTAKEN, '$1 (half-closed before the message)'));

/** Whether a guarded call may end so, where an unguarded one ends like `plain`. */
function mayEndLike(
  unguardedEvents: readonly string[],
  guardedEvents: readonly string[],
  what: string,
  kind: Kind,
): boolean {
  const [unguarded, guarded] = [withOneEnding(unguardedEvents), withOneEnding(guardedEvents)];
  // Behind a cancel in the turn of the start, grpc-js's own headers may come when the status is there.
  const end = unguarded.findIndex((event) => event.startsWith('status'));
  const plain = unguarded.filter((event, index) => end < 0 || index <= end || event !== 'metadata');
  if (plain.join('\n') === guarded.join('\n')) return true;
  // The headers of a call that hangs are held back where a fallback may still have its own.
  const hang = [plain, guarded].every((events) => events.at(-1) === 'never ends');
  if (hang && plain.filter((event) => event !== 'metadata').join() === guarded.join()) return true;
  const [thrown = ''] = plain;
  if (thrown.startsWith(THROWN) && (kind === 'clientStream' || kind === 'bidi')) {
    // A stream that waits for its key is made when its method has returned: what it would have thrown is its status.
    const details = JSON.stringify(thrown.slice(THROWN.length));
    const ends = guarded.filter((event) => /^(error|status)/.test(event));
    return ends.length === 2 && ends.every((event) => event.includes(details));
  }
  // An answer that is held back until its status is known comes with it, and its double too late.
  const isHeld = what === 'passes each message on twice';
  return isHeld && guarded.filter((event) => event.startsWith('status')).length === 1;
}

describe.each(Object.entries(ODD))('an interceptor that %s', (what, odd) => {
  const cases: readonly (readonly [string, string, string, KeyBy])[] = Object.keys(PLACES).flatMap(
    (place) => [
      [place, 'no chain', 'method', perMethod()] as const,
      [place, 'no chain', 'request', keyed] as const,
      [place, 'a chain that declines', 'method', perMethod()] as const,
    ],
  );
  let plain: Endings;
  beforeAll(async () => {
    const closing: (() => unknown)[] = [];
    const server = await startEchoServer();
    plain = await endings(server.address, what, [odd], uncaughtErrors(closing), closing);
    for (const close of closing.reverse()) close();
    server.close();
  });

  it.each(cases)('%s the guard, with %s, by %s: as without', async (place, chain, _by, keyBy) => {
    const server = await startEchoServer();
    const guard = createGuard({ keyBy, circuit: neverTrip(), fallbacks: fallbacksOf(CHAINS[chain]) });
    closers.push(
      () => server.close(),
      () => guard.close(),
    );
    const errors = uncaughtErrors(closers);
    const list = PLACES[place]?.(guard.interceptor, odd) ?? [];
    const guarded = await endings(server.address, what, list, errors, closers);
    const differences = KINDS.filter(
      (kind) => !mayEndLike(plain.events[kind], guarded.events[kind], what, kind),
    ).map((kind) => ({ kind, plain: plain.events[kind], guarded: guarded.events[kind] }));
    expect(differences).toEqual([]);
    // Fewer are as well: of a call whose method threw, a guard passes on no later error that nobody could catch.
    expect(plain.errors).toEqual(expect.arrayContaining([...guarded.errors]));
    const held = () => guard.snapshots().filter(({ inFlight }) => inFlight !== 0);
    await expect.poll(() => held().map(({ circuitKey: key }) => key)).toEqual([]);
  });
});
