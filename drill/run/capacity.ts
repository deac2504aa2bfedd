import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Metadata } from '@grpc/grpc-js';
import { GRPCInferenceServiceClient, ModelInferRequest } from 'failsoft/protos/oip';
import { infer } from '../client/calls.js';
import { capacityOf, type FullServerSpec } from '../scenario/phases.js';
import { ServerSeat } from './server-seat.js';

const WARM_UP_MS = 300;
const MEASURED_MS = 1_500;
const TOLERANCE = 0.15;

/** Calls per second of one server, as specified and as measured. */
export interface Capacity {
  readonly stated: number;
  readonly measured: number;
  /** Whether the two are close enough for a drill about overload. */
  readonly holds: boolean;
}

const ATTEMPTS = 3;

/** Measures whether a server has the capacity of its specification: up to three times, because a busy machine slows a server down. */
export async function assertCapacity(spec: FullServerSpec): Promise<Capacity> {
  let capacity = await measureCapacity(spec);
  for (let attempt = 1; attempt < ATTEMPTS && !capacity.holds; attempt++)
    capacity = await measureCapacity(spec);
  return capacity;
}

/** Gives a server of this specification as many calls as it can take, and counts its answers. */
async function measureCapacity(spec: FullServerSpec): Promise<Capacity> {
  const folder = mkdtempSync(join(tmpdir(), 'failsoft-drill-'));
  const host = '127.0.0.1';
  const log = join(folder, 'capacity.log');
  const seat = new ServerSeat({
    ...{ spec, host, log, name: 'capacity', seed: 1, deadlineMs: 10_000, replacements: 0 },
  });
  await seat.ready();
  const client = new GRPCInferenceServiceClient(seat.address, credentials.createInsecure());
  try {
    const stated = capacityOf(spec);
    const measured = await answersPerSecond(client, spec);
    const holds = Math.abs(measured / stated - 1) <= TOLERANCE;
    return { stated, measured: Math.round(measured), holds };
  } finally {
    client.close();
    await seat.close();
    rmSync(folder, { recursive: true });
  }
}

async function answersPerSecond(client: GRPCInferenceServiceClient, spec: FullServerSpec): Promise<number> {
  const request = ModelInferRequest.fromPartial({ modelName: spec.models[0] ?? '' });
  const begin = performance.now() + WARM_UP_MS;
  const end = begin + MEASURED_MS;
  let answers = 0;
  const worker = async () => {
    while (performance.now() < end) {
      await infer(client, request, { metadata: new Metadata(), deadline: Date.now() + 10_000 });
      const now = performance.now();
      if (begin <= now && now < end) answers++;
    }
  };
  await Promise.all(Array.from({ length: spec.concurrency + Math.min(4, spec.maxQueued) }, worker));
  return (answers * 1_000) / MEASURED_MS;
}
