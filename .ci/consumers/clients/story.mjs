// What test/clients/clients.test.ts tells of the smaller libraries: a client is answered while its server fails, and calls it again when
// it is back. The library's real client calls a real server.
import assert from 'node:assert/strict';
import { createGuard, FallbackRegistry } from 'failsoft';
import { inferResponse, tensor } from 'failsoft/oip';
import { ManualClock, startMockServer } from 'failsoft/testing';

const models = { m: (request) => inferResponse(request, { y: tensor(request, 'x') }) };

/** The library's `ask(value)` gives the number that its server gives back, and the answer's source where its client shows it. */
export async function tell({ services = [], faults = 'm', circuitKey, guardOptions, register, connect }) {
  const clock = new ManualClock();
  const fallbacks = new FallbackRegistry();
  register(fallbacks);
  const guard = createGuard({ clock, fallbacks, rememberProvenance: true, ...guardOptions });
  const sources = [];
  guard.on('call', (event) => event.circuitKey === circuitKey && sources.push(event.source));
  const server = await startMockServer({ models, services });
  const client = await connect(server.address, guard);
  const circuit = () => guard.snapshots().find((each) => each.circuitKey === circuitKey);
  const expectAnswer = async (value, answer, source) => {
    const seen = sources.length;
    const given = await client.ask(value);
    assert.deepEqual(sources.slice(seen), [source]);
    assert.deepEqual({ source, ...given }, { answer, source });
  };

  await expectAnswer(1, 1, 'primary');
  server.faults.set(faults, { error: { code: 14 } });
  await expectAnswer(1, 1, 'last-good');
  await expectAnswer(2, -1, 'default');
  for (let failures = 3; failures <= 5; failures++) await client.ask(1);
  assert.equal(circuit().state, 'open');
  const { admitted } = circuit().totals;
  await expectAnswer(1, 1, 'last-good');
  assert.equal(circuit().totals.admitted, admitted, 'an open circuit admits nothing');
  server.faults.clear();
  clock.advance(60_000);
  await expectAnswer(3, 3, 'primary');
  assert.match(circuit().state, /recovering|closed/);
  await client.close();
  guard.close();
  await server.close();
}
