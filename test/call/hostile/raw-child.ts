// Run by raw-strict.test.ts as a process of its own, which ends with an error where anything is thrown that nobody catches.
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { createGuard } from '../../../src/index.js';
import { KINDS } from '../../support/call-script.js';
import { HOSTILE_ANSWERS } from './raw-answers.js';
import { CHAINS, difference, fallbacksOf, twoClients, unsettled } from './two-clients.js';

setLogVerbosity(logVerbosity.NONE); // it reports each header that it cannot take
// Of the answers, each call kind gets every `step`-th, beginning with its own: all of them are sent all the same.
const [, , asked, step, ...chains] = process.argv;
const mode = asked === 'observe' ? 'observe' : 'enforce';
let calls = 0;
const left: string[] = [];
for (const chain of chains) {
  const guard = createGuard({
    circuit: { trip: [{ rule: 'consecutive-failures', failures: 1e9 }], mode },
    fallbacks: fallbacksOf(CHAINS[chain]),
  });
  const clients = await twoClients([guard.interceptor]);
  for (const [first, kind] of KINDS.entries()) {
    for (const [index, [name, answer]] of Object.entries(HOSTILE_ANSWERS).entries()) {
      if ((index + first) % Number(step) !== 0) continue;
      const { plain, guarded } = await clients.ask(answer, kind);
      calls++;
      const differs = difference(plain, guarded, chain);
      if (differs !== undefined) throw new Error(`${chain}, ${kind}, ${name}: ${JSON.stringify(differs)}`);
    }
  }
  left.push(...unsettled(guard));
  clients.close();
  await guard.close();
}
console.log(JSON.stringify({ calls, left }));
