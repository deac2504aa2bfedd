import { randomBytes } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import type { Guard } from 'failsoft';
import { type DashboardServer, serveDashboard } from 'failsoft/dashboard';
import { FaultPlan } from 'failsoft/protos/mock';
import type { ServerProcess } from './servers.js';

/** The live page of the demo. Its buttons break the primary, and mend it. */
export async function servePage(
  guard: Guard,
  primary: ServerProcess,
  port: number,
): Promise<DashboardServer & { readonly link: string }> {
  const token = randomBytes(12).toString('base64url');
  const faults = (plan: FaultPlan) => async () => {
    await primary.restart();
    await primary.setFaults(plan);
  };
  const page = await serveDashboard(guard, {
    port,
    process: 'demo',
    intervalMs: 500,
    history: { stepMs: 500, steps: 120 },
    controls: {
      token,
      actions: [
        {
          label: 'Slow',
          description: 'The primary takes 20 times as long',
          run: faults(FaultPlan.fromPartial({ latencyMultiplier: 20 })),
        },
        {
          label: 'Failing',
          description: 'The primary answers UNAVAILABLE',
          run: faults(FaultPlan.fromPartial({ error: { code: status.UNAVAILABLE } })),
        },
        { label: 'Kill', description: 'SIGKILL to its process', run: () => primary.kill() },
        {
          label: 'Healthy',
          description: 'It runs, and nothing is wrong',
          run: faults(FaultPlan.fromPartial({})),
        },
      ],
    },
  });
  // behind #, so that it is in no log of a server; the page takes it out of the address
  return { ...page, link: `${page.url}#token=${token}` };
}
