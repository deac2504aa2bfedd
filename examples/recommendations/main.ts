// A shop's page has a row "for you". The page must be there in time: when the recommender hangs, the row shows the country's
// bestsellers. After three such pages the circuit opens, and pages no longer wait for the recommender.
//
//   npx tsx examples/recommendations/main.ts

import { promisify } from 'node:util';
import {
  credentials,
  type handleUnaryCall,
  makeClientConstructor,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { callUnary, consecutiveFailures, createGuard, defaultPrediction, FallbackRegistry } from 'failsoft';
import { ManualClock } from 'failsoft/testing';

const clock = new ManualClock(); // the circuit's seconds pass without waiting

// The service, without generated code: loadSync('shop.proto') gives the same.
type Visitor = { readonly user: string; readonly country: string };
type Products = { readonly names: readonly string[] };
const shop = {
  Recommender: {
    methods: { ForYou: { requestType: 'Visitor', responseType: 'Products', comment: '' } },
  },
  Visitor: { fields: { user: { type: 'string', id: 1 }, country: { type: 'string', id: 2 } } },
  Products: { fields: { names: { rule: 'repeated', type: 'string', id: 1 } } },
};
const { 'shop.Recommender': service } = fromJSON({ nested: { shop: { nested: shop } } });
if (service === undefined || 'format' in service) throw new Error('shop.Recommender is no service');
const { ForYou } = service;
if (ForYou === undefined) throw new Error('shop.Recommender has no method ForYou');

// The recommender. Yours is already running somewhere.
let hangs = false;
let calls = 0;
const answer: handleUnaryCall<Visitor, Products> = ({ request }, callback) => {
  calls++;
  if (!hangs) callback(null, { names: [`boots for ${request.user}`, `scarf for ${request.user}`] });
};
const server = new Server();
server.addService(service, { ForYou: answer });
const listen = promisify(server.bindAsync.bind(server));
const address = `127.0.0.1:${await listen('127.0.0.1:0', ServerCredentials.createInsecure())}`;

// The default list depends on the request.
const bestsellers = new Map([
  ['DE', ['umbrella', 'bicycle']],
  ['IT', ['espresso pot', 'sunglasses']],
]);
const ofTheCountry = (visitor: object): Products => {
  const country = 'country' in visitor ? String(visitor.country) : '';
  return { names: bestsellers.get(country) ?? ['gift card'] };
};
const guard = createGuard({
  circuit: { trip: [consecutiveFailures({ failures: 3 })], open: { baseMs: 10_000, jitter: 'none' } },
  defaultDeadlineMs: 500,
  fallbacks: new FallbackRegistry().register(ForYou, [defaultPrediction(ofTheCountry)]),
  clock,
});
guard.on('transition', ({ from, to, reason }) => console.log(`  circuit: ${from} -> ${to} (${reason})`));

const Client = makeClientConstructor(service, 'Recommender');
const client = new Client(address, credentials.createInsecure(), guard.clientOptions());

// Connects in advance, so that no page waits for the connection.
await promisify(client.waitForReady.bind(client))(Date.now() + 10_000);

/** A client from proto-loader is made at run time: the compiler does not know its messages' types. */
const isProducts = (message: object): message is Products => 'names' in message;

/** A page's row, and its source. */
async function row(user: string, country: string): Promise<{ names: readonly string[]; from: string }> {
  const { response, source, cause } = await callUnary(client, 'ForYou', { user, country });
  if (!isProducts(response)) throw new Error('ForYou answered something else than Products');
  return { names: response.names, from: cause ? `${source}, because ${cause}` : source };
}

async function show(user: string, country: string): Promise<void> {
  const { names, from } = await row(user, country);
  console.log(`  ${user} in ${country}: ${names.join(', ')} (${from})`);
}

console.log('all is well');
await show('ada', 'DE');

hangs = true;
calls = 0;
console.log('the recommender hangs: three pages wait for their deadline');
for (const country of ['DE', 'IT', 'FR']) await show('ada', country);
console.log('the circuit is open: the next pages do not wait');
for (const country of ['DE', 'IT', 'FR']) await show('bob', country);
console.log(`  6 pages shown; the recommender was called ${calls} times`);

hangs = false;
clock.advance(10_000);
console.log('ten seconds later the recommender is back: a probe succeeds');
await show('ada', 'DE');
console.log('pages come ten at a time: each answer lets more of them through');
for (let trip = 1; trip <= 6; trip++) {
  const rows = await Promise.all(Array.from({ length: 10 }, () => row('bob', 'IT')));
  const personal = rows.filter(({ from }) => from === 'primary').length;
  console.log(`  round trip ${trip}: ${personal} of 10 pages are personal`);
}

client.close();
await guard.close();
server.forceShutdown();
