// A shop asks a pricing model for its prices. While the model is down, a price of some minutes ago will do; where there is
// none, or it has become too old, the page says "price unavailable" and still comes.
//
//   npx tsx examples/pricing/main.ts

import { promisify } from 'node:util';
import {
  type ClientUnaryCall,
  credentials,
  type handleUnaryCall,
  makeClientConstructor,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { createGuard, defaultPrediction, FallbackRegistry, lastGood, provenanceOf } from 'failsoft';
import { ManualClock } from 'failsoft/testing';

const MINUTE = 60_000;
const clock = new ManualClock(); // the story's minutes pass without waiting

// The service, without generated code: what loadSync('shop.proto') gives.
type Price = { readonly cents: number; readonly note: string };
const shop = {
  Prices: { methods: { Quote: { requestType: 'Product', responseType: 'Price', comment: '' } } },
  Product: { fields: { name: { type: 'string', id: 1 } } },
  Price: { fields: { cents: { type: 'uint32', id: 1 }, note: { type: 'string', id: 2 } } },
};
const { 'shop.Prices': service } = fromJSON({ nested: { shop: { nested: shop } } }, { defaults: true });
if (service === undefined || 'format' in service) throw new Error('shop.Prices is no service');
const { Quote } = service;
if (Quote === undefined) throw new Error('shop.Prices has no method Quote');

// The pricing model. Yours is already running somewhere.
const prices = new Map([
  ['mug', 1250],
  ['lamp', 3900],
]);
let down = false;
const answer: handleUnaryCall<{ name: string }, Partial<Price>> = ({ request }, callback) => {
  if (down) callback({ code: status.UNAVAILABLE, details: 'the pricing model is down' });
  else callback(null, { cents: prices.get(request.name) ?? 0 });
};
const server = new Server();
server.addService(service, { Quote: answer });
const listen = promisify(server.bindAsync.bind(server));
const address = `127.0.0.1:${await listen('127.0.0.1:0', ServerCredentials.createInsecure())}`;

// A price may be half an hour old, and is given as such. After that, none is better.
const fallbacks = new FallbackRegistry().register(Quote, [
  lastGood({ ttlMs: 10 * MINUTE, maxStaleMs: 20 * MINUTE, clock }),
  defaultPrediction({ note: 'price unavailable' }),
]);
const guard = createGuard({ fallbacks, clock });
guard.on('transition', ({ from, to, reason }) => console.log(`  circuit: ${from} -> ${to} (${reason})`));

const Client = makeClientConstructor(service, 'Prices');
const options = { interceptors: [guard.interceptor] };
const client = new Client(address, credentials.createInsecure(), options);

function show(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let from = '';
    const done = (error: ServiceError | null, price: Price) => {
      if (error) return reject(error);
      console.log(`  ${name}: ${price.note || `${(price.cents / 100).toFixed(2)} EUR`} (${from})`);
      resolve();
    };
    const call: ClientUnaryCall = client.Quote?.({ name }, done);
    call.on('metadata', (metadata) => {
      const { source, cause, ageMs } = provenanceOf(metadata);
      const age = ageMs === undefined ? '' : `, ${ageMs / MINUTE} min old`;
      from = `${source}${age}${cause ? `, because ${cause}` : ''}`;
    });
  });
}

const step = (text: string) => console.log(`minute ${clock.now() / MINUTE}: ${text}`);

step('all is well');
await show('mug');

down = true;
clock.advance(5 * MINUTE);
step('the pricing model is down');
await show('mug');
await show('lamp'); // nobody has asked for it yet

step('after five failures in a row it is not asked any more');
for (let calls = 3; calls <= 5; calls++) await show('mug');
await show('mug');

clock.advance(26 * MINUTE);
step('the kept price has become too old');
await show('mug');

down = false;
prices.set('mug', 1300);
clock.advance(MINUTE);
step('the model is back, and a call finds out');
await show('mug');

client.close();
await guard.close();
server.forceShutdown();
