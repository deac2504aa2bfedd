import type { SoakServer } from './server.js';
import { later, type World } from './world.js';

/** Kills a server and starts it again, until the soak is over; then the server is up. */
export async function killAndRestart(world: World, server: SoakServer, random: () => number): Promise<void> {
  while (!world.isOver()) {
    await later(500 + 2_000 * random());
    if (world.isOver()) break;
    server.kill();
    world.ledger.add('server kills');
    await later(50 + 300 * random());
    await server.restart();
  }
}
