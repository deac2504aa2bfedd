import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KINDS } from '../../support/call-script.js';
import { closedAfterEach } from '../../support/closers.js';
import { createGuard, neverTrip } from '../../support/guard.js';
import { inFull } from '../../support/long.js';
import { runs, SEED } from '../../support/properties.js';
import { uncaughtErrors } from '../../support/uncaught.js';
import { DETAILS, MESSAGES, STATUSES } from './raw-answers.js';
import { message, OK_HEADERS, type RawAnswer, type RawStep } from './raw-steps.js';
import { CHAINS, difference, fallbacksOf, twoClients, unsettled } from './two-clients.js';

const closers = closedAfterEach();
setLogVerbosity(logVerbosity.NONE); // it reports each header that it cannot take

/** Bytes that a header may carry over the wire: no control characters, which HTTP/2 takes for a broken stream. */
const headerText = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((n) => String.fromCharCode(n)),
});

const entry: fc.Arbitrary<readonly [string, string]> = fc.oneof(
  fc.tuple(
    fc.constant('grpc-status'),
    fc.oneof(fc.constantFrom(...STATUSES), fc.double().map(String), headerText),
  ),
  fc.tuple(fc.constant('grpc-message'), fc.oneof(fc.constantFrom(...MESSAGES), headerText)),
  fc.tuple(fc.constant('grpc-status-details-bin'), fc.oneof(fc.constantFrom(...DETAILS), fc.base64String())),
  fc.tuple(fc.constant('grpc-retry-pushback-ms'), fc.oneof(fc.integer().map(String), headerText)),
  fc.tuple(fc.constantFrom('x-odd', 'x-odd-bin', 'failsoft-source', 'failsoft-age-ms', 'date'), headerText),
);

const contentType = fc.constantFrom('application/grpc', 'application/grpc+json', 'text/html', '');
const encoding = fc.constantFrom('identity', 'gzip', 'deflate', 'snappy', '', 'gzip,gzip');

const opening: fc.Arbitrary<RawStep> = fc
  .tuple(fc.option(contentType), fc.option(encoding), fc.array(entry, { maxLength: 2 }))
  .map(([type, encoded, more]) => ({
    do: 'headers',
    headers: [
      ...(type === null ? OK_HEADERS : [[':status', '200'] as const, ['content-type', type] as const]),
      ...(encoded === null ? [] : [['grpc-encoding', encoded] as const]),
      ...more.filter(([name]) => name !== 'grpc-status'),
    ],
  }));

/** What decompresses, or does not, takes a thread's time: no step may race with it. So no such flag but with a wrong encoding. */
const body: fc.Arbitrary<RawStep> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('one', 'two', 'three').map((text) => data(message(text))) },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 2, max: 255 }).map((flag) => data(message('odd', { compressed: flag }))),
  },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 40 }).map((length) => data(message('cut', { length }))) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 4 }).map(data) },
);

const ending: fc.Arbitrary<readonly RawStep[]> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(entry, { maxLength: 4 })
      .map((headers): RawStep[] => [{ do: 'headers', headers, end: true }]),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(0, 1, 2, 3, 5, 7, 8, 11, 12, 13, 4_000)
      .map((code): RawStep[] => [{ do: 'reset', code }]),
  },
  { weight: 1, arbitrary: fc.constant<RawStep[]>([{ do: 'go-away', code: 0, last: 0x7fffffff }]) },
);

/** Ends, in any case, with the connection: a call that the server did not end, or not well enough, ends then. */
const rawAnswer: fc.Arbitrary<RawAnswer> = fc
  .tuple(fc.option(opening, { freq: 8 }), fc.array(body, { maxLength: 3 }), ending)
  .map(([first, messages, last]) => ({
    steps: [...(first === null ? [] : [first, ...messages]), ...last, { do: 'pause' }, { do: 'drop' }],
  }));

function data(bytes: string): RawStep {
  return { do: 'data', bytes };
}

describe.each(Object.keys(CHAINS))('random answers of a server, with %s,', (chain) => {
  it('end a call once, as they do without a guard', async () => {
    const guard = createGuard({ circuit: neverTrip(), fallbacks: fallbacksOf(CHAINS[chain]) });
    const clients = await twoClients([guard.interceptor]);
    closers.push(
      () => guard.close(),
      () => clients.close(),
    );
    const errors = uncaughtErrors(closers);
    const property = fc.asyncProperty(rawAnswer, fc.constantFrom(...KINDS), async (answer, kind) => {
      const { plain, guarded } = await clients.ask(answer, kind);
      const differences = difference(plain, guarded, chain);
      expect({ differences, errors, unsettled: unsettled(guard) }).toEqual({
        differences: undefined,
        errors: [],
        unsettled: [],
      });
    });
    // A smaller one is no easier to read, and the search for it would be made with clients that hang.
    await fc.assert(property, { numRuns: runs(inFull(250, 60)), seed: SEED, endOnFailure: true });
  });
});
