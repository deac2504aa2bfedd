// A shop's page shows prices that a pricing model computes. While the model is down, the page shows the last price, up to
// half an hour old. Without such a price it shows "price unavailable".
//
//   npx tsx examples/pricing/main.ts

import { promisify } from 'node:util';
import {
  credentials,
  type handleUnaryCall,
  makeClientConstructor,
  Server,
  ServerCredentials,
  status,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { callUnary, createGuard, defaultPrediction, FallbackRegistry, lastGood } from 'failsoft';
import { ManualClock } from 'failsoft/testing';

const MINUTE = 60_000;
const clock = new ManualClock(); // the story's minutes pass without waiting

// The service, without generated code: loadSync('shop.proto') gives the same.
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

// A price may be half an hour old, and is labelled with its age. An older price is not shown.
const fallbacks = new FallbackRegistry().register(Quote, [
  lastGood({ ttlMs: 10 * MINUTE, maxStaleMs: 20 * MINUTE, clock }),
  defaultPrediction({ note: 'price unavailable' }),
]);
const guard = createGuard({ fallbacks, clock });
guard.on('transition', ({ from, to, reason }) => console.log(`  circuit: ${from} -> ${to} (${reason})`));

const Client = makeClientConstructor(service, 'Prices');
const client = new Client(address, credentials.createInsecure(), guard.clientOptions());

/** A client from proto-loader is made at run time: the compiler does not know its messages' types. */
const isPrice = (message: object): message is Price => 'cents' in message && 'note' in message;

async function show(name: string): Promise<void> {
  const { response, source, cause, ageMs } = await callUnary(client, 'Quote', { name });
  if (!isPrice(response)) throw new Error('Quote answered something else than a Price');
  const price = response.note || `${(response.cents / 100).toFixed(2)} EUR`;
  const age = ageMs === undefined ? '' : `, ${ageMs / MINUTE} min old`;
  console.log(`  ${name}: ${price} (${source}${age}${cause ? `, because ${cause}` : ''})`);
}

const step = (text: string) => console.log(`minute ${clock.now() / MINUTE}: ${text}`);

step('all is well');
await show('mug');

down = true;
clock.advance(5 * MINUTE);
step('the pricing model is down');
await show('mug');
await show('lamp'); // the lamp's first call: there is no last price

step('after five failures in a row the circuit opens: no call reaches the model');
for (let calls = 3; calls <= 5; calls++) await show('mug');
await show('mug');

clock.advance(26 * MINUTE);
step('the last price has become too old');
await show('mug');

down = false;
prices.set('mug', 1300);
clock.advance(MINUTE);
step('the model is back: the next probe succeeds');
await show('mug');

client.close();
await guard.close();
server.forceShutdown();
