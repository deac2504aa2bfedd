import { labelledInputs, startMockServer } from 'failsoft/testing';
import { guardedClient } from './client.js';
import { buildGateway } from './gateway.js';
import { portFrom } from './port.js';

const DEADLINE_MS = 300;
const port = readPort();

// A model server with both models, for the example; yours is already running somewhere.
const models = await startMockServer();
const guarded = guardedClient({ address: models.address, smallAddress: models.address });
guarded.guard.on('transition', ({ circuitKey, from, to, reason }) => {
  console.log(`${circuitKey}: ${from} -> ${to} (${reason})`);
});

const gateway = buildGateway({ client: guarded.client, deadlineMs: DEADLINE_MS });
// Only for the demonstration: PUT lets the large model hang, DELETE mends it.
gateway.put('/demo/hang', () => setHangShare(1));
gateway.delete('/demo/hang', () => setHangShare(0));
function setHangShare(hangShare: number) {
  models.faults.set('demand-large', { hangShare });
  return { 'demand-large': hangShare === 0 ? 'healthy' : 'hangs' };
}

const url = await gateway.listen({ host: '127.0.0.1', port }).catch(async (error: Error) => {
  console.error(`PORT: cannot listen on ${port}: ${error.message}`); // another process has the port, for example
  await stop();
  process.exit(1);
});
const { features } = labelledInputs(7).next().value;
const body = JSON.stringify({ features: features.map((value) => Number(value.toFixed(2))) });
console.log(`
The gateway listens at ${url}, in front of ${models.models.join(' and ')} at ${models.address}.
A request may take ${DEADLINE_MS} ms, fallbacks included. PORT=8080 chooses the port.

Request a prediction:

  curl -i ${url}/predict -H 'content-type: application/json' -d '${body}'

Make the large model hang, and send the same request again: you get the last good answer, with its source and age. Change a number
in the request: the small model answers. Send requests to /predict?fallback=none: after a few timeouts the circuit opens, and you get
a 503 at once.

  curl -X PUT ${url}/demo/hang

Heal the large model. Some seconds later the circuit admits calls again:

  curl -X DELETE ${url}/demo/hang

Ctrl-C stops the gateway.`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());

function readPort(): number {
  try {
    return portFrom(process.env.PORT);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
}

async function stop(): Promise<void> {
  await gateway.close();
  await guarded.close();
  await models.close();
}
