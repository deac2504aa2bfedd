import { status } from '@grpc/grpc-js';
import { createGuard, defaultPrediction, FallbackRegistry, lastGood, perKey } from '../../src/index.js';
import { callStream, callUnary, soakClient } from './calls.js';
import { startOddServer } from './odd-child.js';
import { type Message, soakService } from './service.js';
import { closeGuard, onLanes, pick, randomOf, untilSeen, type World } from './world.js';

const LANES = 4;
/** A slow machine may start the server only when a short run is nearly over. */
const FEWEST_CALLS = 200;
const ROUTES = ['chain', 'declines', 'stream'] as const;
const STREAMS = ['serverStream', 'bidi', 'clientStream'] as const;
const message: Message = { model_name: '', tenant: '', text: 'odd' };

/** A server that answers oddly, in front of a chain that answers, a chain that declines, and no chain: one status each. */
export async function runOdd(world: World): Promise<void> {
  const { ledger, clock } = world;
  const random = randomOf(world, 'odd');
  const server = await startOddServer(world);
  const guard = createGuard({
    clock,
    // Most calls are to reach the server: their circuit opens seldom.
    keyBy: perKey(() => `k${Math.floor(random() * 50)}`),
    circuit: { open: { baseMs: 5, maxMs: 20 }, recovering: false },
    fallbacks: new FallbackRegistry()
      .register(soakService.unary, [
        lastGood({ clock }),
        defaultPrediction<Message, Message>({ ...message, text: 'default' }),
      ])
      .register(soakService.score, [
        { name: 'secondary:declines', answer: () => undefined },
        {
          name: 'secondary:throws',
          answer: () => {
            throw new Error('a strategy that throws');
          },
        },
      ]),
  });
  const client = soakClient(server.address, { interceptors: [guard.interceptor] });
  let asked = 0;
  await onLanes(
    untilSeen(world, () => asked >= FEWEST_CALLS),
    LANES,
    () => 8 * random(),
    async () => {
      asked++;
      ledger.add('calls with odd answers');
      const timeoutMs = 150;
      const route = pick(random, ROUTES);
      if (route === 'stream') {
        const kind = pick(random, STREAMS);
        await callStream(ledger, client, kind, message, { timeoutMs });
        return;
      }
      const method = route === 'chain' ? soakService.unary : soakService.score;
      const { code, response } = await callUnary(ledger, client, method, message, { timeoutMs });
      if (
        code === status.OK &&
        response !== undefined &&
        response.text !== 'odd' &&
        response.text !== 'default'
      )
        ledger.fail(`odd: got ${response.text}`);
    },
  );
  const died = server.died();
  if (died !== undefined) ledger.fail(`the server that answers oddly died: ${died}`);
  client.close();
  await server.close();
  await closeGuard('odd', guard, ledger);
}
