import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { KINDS } from '../../support/call-script.js';
import { closedAfterEach } from '../../support/closers.js';
import { createGuard, neverTrip } from '../../support/guard.js';
import { uncaughtErrors } from '../../support/uncaught.js';
import { BROKEN_CONNECTIONS, HOSTILE_ANSWERS } from './raw-answers.js';
import type { RawAnswer } from './raw-steps.js';
import { CHAINS, difference, fallbacksOf, twoClients, unsettled } from './two-clients.js';

const closers = closedAfterEach();
setLogVerbosity(logVerbosity.NONE); // it reports each header that it cannot take

describe.each(Object.keys(CHAINS))('whatever a server sends, with %s,', (chain) => {
  it.each(KINDS)('a %s call ends once, as it does without a guard', async (kind) => {
    const guard = createGuard({ circuit: neverTrip(), fallbacks: fallbacksOf(CHAINS[chain]) });
    const clients = await twoClients([guard.interceptor]);
    closers.push(
      () => guard.close(),
      () => clients.close(),
    );
    const errors = uncaughtErrors(closers);
    const differences: Record<string, unknown> = {};
    for (const [name, answer] of Object.entries(HOSTILE_ANSWERS)) {
      const { plain, guarded } = await clients.ask(answer, kind);
      const differs = difference(plain, guarded, chain);
      if (differs !== undefined) differences[name] = differs;
      if (Object.keys(differences).length === 3) break; // each may have taken its time: these show enough
    }
    expect({ differences, errors, unsettled: unsettled(guard) }).toEqual({
      differences: {},
      errors: [],
      unsettled: [],
    });
  });

  it.each(KINDS)(
    'a %s call whose connection breaks the protocol ends as it does without a guard',
    async (kind) => {
      const guard = createGuard({ circuit: neverTrip(), fallbacks: fallbacksOf(CHAINS[chain]) });
      closers.push(() => guard.close());
      const errors = uncaughtErrors(closers);
      const differences: Record<string, unknown> = {};
      const ask = async ([name, answer]: readonly [string, RawAnswer]) => {
        const clients = await twoClients([guard.interceptor]);
        closers.push(() => clients.close());
        const { plain, guarded } = await clients.ask(answer, kind, 500);
        const differs = difference(plain, guarded, chain);
        if (differs !== undefined) differences[name] = differs;
      };
      await Promise.all(Object.entries(BROKEN_CONNECTIONS).map(ask));
      expect({ differences, errors, unsettled: unsettled(guard) }).toEqual({
        differences: {},
        errors: [],
        unsettled: [],
      });
    },
  );
});
