import { ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import { createGuard } from 'failsoft';
import CircuitBreaker from 'opossum';
import type { Row } from '../lib/row.js';
import { type Ask, Clients, startServer, throughput } from '../lib/wire.js';

/**
 * Few calls, so that the figures of a round are close in time: over a longer time the machine's speed varies by more than the
 * row's budget.
 */
const CALLS = 1_000;
const AT_A_TIME = 32;

const wire: Row = {
  name: 'wire.throughput',
  unit: '1/s',
  budgetOfFloor: 0.98,
  moreIsBetter: true,
  times: 5,
  open: async () => {
    const server = await startServer();
    const clients = new Clients(server.address);
    const measured = (ask: Ask) => throughput(ask, CALLS, AT_A_TIME);
    const breaker = new CircuitBreaker(clients.asking(), { timeout: false });
    const policy = circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) });
    const bare = clients.asking();
    return {
      ours: measured(clients.asking(createGuard().interceptor)),
      floor: measured(clients.asking()),
      opossum: measured(() => breaker.fire()),
      cockatiel: measured(() => policy.execute(bare)),
      close: () => {
        clients.close();
        server.stop();
      },
    };
  },
};

export const rows: readonly Row[] = [wire];
