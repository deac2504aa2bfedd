// Run as a process of its own: `poison.js <directory> <port> <life>`. Its first life accepts ten jobs, of which one ends the
// process in `onResult`, in every life. Says `done <id>` and `dead <id>: <reason>`; ends with 0 once no job is left.
import { writeSync } from 'node:fs';
import { credentials } from '@grpc/grpc-js';
import { DeferredDrainer } from '../../../../src/fallback/deferred/drainer.js';
import { openLevelQueue } from '../../../../src/fallback/deferred/queue-level/index.js';
import {
  GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
  ModelInferRequest,
} from '../../../../src/gen/inference/grpc_service.js';

const [directory = '', port = '', life = '0'] = process.argv.slice(2);
const say = (line: string) => writeSync(1, `${line}\n`);

const method = GRPCInferenceServiceService.modelInfer;
const queue = await openLevelQueue(directory);
const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
const request = method.requestSerialize(ModelInferRequest.fromPartial({ modelName: 'm' })).toString('base64');

if (life === '0')
  for (const id of ['innocent-0', 'poison', ...Array.from({ length: 8 }, (_, n) => `innocent-${n + 1}`)]) {
    const acceptedAtMs = Date.now();
    const times = { acceptedAtMs, expiresAtMs: acceptedAtMs + 600_000 };
    const counts = { replays: 0, failures: 0, excused: 0 };
    await queue.enqueue({ id, method: method.path, request, metadata: [], ...times, ...counts });
  }

new DeferredDrainer({
  queue,
  methods: [{ method, client }],
  ratePerSecond: Number.POSITIVE_INFINITY,
  maxConcurrent: 4,
  maxFailures: 3,
  pollMs: 5,
  onResult: ({ job }) => {
    if (job.id === 'poison') process.exit(1);
    say(`done ${job.id}`);
  },
  onDead: (job, reason) => say(`dead ${job.id}: ${reason}`),
});

for (;;) {
  const { waiting, active } = await queue.counts();
  if (waiting + active === 0) process.exit(0);
  await new Promise((resolve) => setTimeout(resolve, 10));
}
