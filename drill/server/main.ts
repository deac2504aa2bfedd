import { Server } from '@grpc/grpc-js';
import { systemClock } from 'failsoft';
import { GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { seededRandom } from 'failsoft/testing';
import { Listener } from './listener.js';
import { LogFile, noteDown } from './log.js';
import type { ServerCommand, ServerNotice, ServerStart } from './messages.js';
import { ModelServer } from './model-server.js';
import { DrillService, handlersOf } from './service.js';

/** The interval at which the server writes down its health. */
const SAMPLE_MS = 10;
const DRAIN_GRACE_MS = 1_000;

const { spec, seed, name, deadlineMs, log }: ServerStart = JSON.parse(process.argv[2] ?? '{}');
const file = new LogFile(log);
// It dies by SIGKILL, as when the kernel has no memory left: it closes no connection and flushes nothing.
const models = new ModelServer(spec, systemClock, seededRandom(seed), () => {
  noteDown(log);
  process.kill(process.pid, 'SIGKILL');
});
const service = new DrillService(models, file, name);
const server = new Server();
server.addService(GRPCInferenceServiceService, { ...handlersOf(service) });
const listener = new Listener(server, spec.tls);

const notify = (notice: ServerNotice) => process.send?.(notice);

async function obey(command: ServerCommand): Promise<void> {
  switch (command.kind) {
    case 'listen':
      notify({ kind: 'listening', port: await listener.listen(command.host, command.port) });
      setInterval(() => file.sample(models.health(deadlineMs)), SAMPLE_MS);
      break;
    case 'trouble':
      models.setTrouble(command.model, command.trouble, command.forMs);
      break;
    case 'reset':
      resetAt(command.whenInFlight);
      break;
    case 'resets':
      listener.limitAge(command.everyMs);
      break;
    case 'drain':
      await listener.drain(DRAIN_GRACE_MS);
      process.exit(0);
  }
}

/** Resets all connections once: when `whenInFlight` calls are in flight, or at once where that many already are. */
function resetAt(whenInFlight: number): void {
  const check = () => {
    if (models.inFlight < whenInFlight) return;
    service.onArrival = () => {};
    listener.resetAll();
  };
  service.onArrival = check;
  check();
}

process.on('message', (command: ServerCommand) => {
  obey(command).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
// The harness is gone, and with it all clients.
process.on('disconnect', () => process.exit(0));
notify({ kind: 'ready' });
