// Run as a process of its own, to be killed: `child.js <directory> <port> fill|drain`. Accepts jobs and drains them at the
// same time; says `ack <id>` once a job is accepted, `empty` when nothing is left (drain), `error ...` when it should not.
import { writeSync } from 'node:fs';
import { credentials } from '@grpc/grpc-js';
import { DeferredDrainer } from '../../../../src/fallback/deferred/drainer.js';
import { openLevelQueue } from '../../../../src/fallback/deferred/queue-level/index.js';
import {
  GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
  ModelInferRequest,
} from '../../../../src/gen/inference/grpc_service.js';

const [directory = '', port = '', mode = 'fill'] = process.argv.slice(2);
const say = (line: string) => writeSync(1, `${line}\n`); // at once: what was said survives the process

const method = GRPCInferenceServiceService.modelInfer;
const queue = await openLevelQueue(directory);
const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
const request = method.requestSerialize(ModelInferRequest.fromPartial({ modelName: 'm' })).toString('base64');

new DeferredDrainer({
  queue,
  methods: [{ method, client }],
  ratePerSecond: Number.POSITIVE_INFINITY,
  maxConcurrent: 8,
  maxFailures: 1_000, // each kill cuts replays short
  maxReplays: 1_000,
  pollMs: 5,
  onResult: () => undefined,
  onDead: (_job, reason) => say(`error buried: ${reason}`),
  onError: (error) => say(`error ${error}`),
});

async function fill(lane: number): Promise<never> {
  for (let n = 0; ; n++) {
    const now = Date.now();
    const id = `${now.toString(36)}-${process.pid}-${lane}-${n}`;
    const times = { acceptedAtMs: now, expiresAtMs: now + 600_000 };
    const counts = { replays: 0, failures: 0, excused: 0 };
    await queue.enqueue({ id, method: method.path, request, metadata: [], ...times, ...counts });
    say(`ack ${id}`);
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
}

if (mode === 'fill') await Promise.all([1, 2, 3, 4].map(fill));
for (;;) {
  const { waiting, active, dead } = await queue.counts();
  if (waiting + active === 0) {
    say(dead === 0 ? 'empty' : `error ${dead} dead`);
    process.exit();
  }
  await new Promise((resolve) => setTimeout(resolve, 10));
}
