// A shop's page has a row "for you". The page must come in time: when the recommender hangs, the row shows the country's
// bestsellers, and after a few such pages nobody waits for the recommender any more.
//
//   npx tsx examples/recommendations/main.ts

import { promisify } from 'node:util';
import {
  type ClientUnaryCall,
  credentials,
  type handleUnaryCall,
  makeClientConstructor,
  Server,
  ServerCredentials,
  type ServiceError,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import {
  consecutiveFailures,
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  provenanceOf,
} from 'failsoft';
import { ManualClock } from 'failsoft/testing';

const clock = new ManualClock(); // of the circuit: its seconds pass without waiting

// The service, without generated code: what loadSync('shop.proto') gives.
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
let asked = 0;
const answer: handleUnaryCall<Visitor, Products> = ({ request }, callback) => {
  asked++;
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
const options = { interceptors: [guard.interceptor] };
const client = new Client(address, credentials.createInsecure(), options);

// No page pays for the connection.
await promisify(client.waitForReady.bind(client))(Date.now() + 10_000);

/** One row of a page, and where it came from. */
function row(user: string, country: string): Promise<{ names: readonly string[]; from: string }> {
  return new Promise((resolve, reject) => {
    let from = '';
    const done = (error: ServiceError | null, products: Products) =>
      error ? reject(error) : resolve({ names: products.names, from });
    const call: ClientUnaryCall = client.ForYou?.({ user, country }, done);
    call.on('metadata', (metadata) => {
      const { source, cause } = provenanceOf(metadata);
      from = cause ? `${source}, because ${cause}` : source;
    });
  });
}

async function show(user: string, country: string): Promise<void> {
  const { names, from } = await row(user, country);
  console.log(`  ${user} in ${country}: ${names.join(', ')} (${from})`);
}

console.log('all is well');
await show('ada', 'DE');

hangs = true;
asked = 0;
console.log('the recommender hangs: three pages wait for their deadline');
for (const country of ['DE', 'IT', 'FR']) await show('ada', country);
console.log('the others do not wait');
for (const country of ['DE', 'IT', 'FR']) await show('bob', country);
console.log(`  6 pages came; the recommender was asked ${asked} times`);

hangs = false;
clock.advance(10_000);
console.log('ten seconds later a call finds out that it is back');
await show('ada', 'DE');
console.log('it is cold: it gets few calls at first, then more');
for (let second = 0; second <= 5; second++) {
  let personal = 0;
  for (let page = 0; page < 10; page++) if ((await row('bob', 'IT')).from === 'primary') personal++;
  console.log(`  second ${second}: ${personal} of 10 pages are personal`);
  clock.advance(1_000);
}

client.close();
await guard.close();
server.forceShutdown();
