import { Server } from '@grpc/grpc-js';
import { invalid } from '../../errors.js';
import { FaultServiceService } from '../../gen/failsoft/mock/v1/fault.js';
import { GRPCInferenceServiceService } from '../../gen/inference/grpc_service.js';
import type { DemandModelName } from '../demand/models.js';
import { FaultBoard } from '../faults/fault-board.js';
import { Connections } from './connections.js';
import { faultService } from './fault-service.js';
import { inferenceService } from './inference-service.js';
import { ModelHost } from './model-host.js';
import { addHealthAndReflection, type SetHealth } from './optional-packages.js';
import { type MockServerOptions, resolveServerOptions } from './options.js';
import { findHost, type ServerContext } from './server-context.js';

/** A mock inference server that runs in this process. */
export interface MockServer {
  /** `host:port`, for a client. */
  readonly address: string;
  /** The port that it listens on. */
  readonly port: number;
  /** The loaded models. */
  readonly models: readonly DemandModelName[];
  /** The faults of its models, to set and read while it runs. */
  readonly faults: FaultBoard;
  /**
   * Numbers of calls of a model that run and wait now.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for a model that is not loaded
   */
  load(model: DemandModelName): {
    /** Calls that the model works on. */
    readonly running: number;
    /** Calls that wait for a place. */
    readonly queued: number;
  };
  /** Ends all calls and closes connections, without waiting. The port is free when it resolves. Closing twice does nothing. */
  close(): Promise<void>;
  /** Like {@link close}, but resets the connections, as the death of a process does. */
  kill(): Promise<void>;
}

/**
 * Starts a server of the Open Inference Protocol with two real models and faults on demand. It also serves
 * failsoft.mock.v1.FaultService, grpc.health.v1 and gRPC reflection, without TLS.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for a bad option, FAILSOFT_UNSUPPORTED where `grpc-health-check` or
 * `@grpc/reflection` is not installed; Node's own error (EADDRINUSE, ...) where it cannot listen
 */
export async function startMockServer(options: MockServerOptions = {}): Promise<MockServer> {
  const { host, port, models, preset, seed, latencyMs, faults, clock } = resolveServerOptions(options);
  const server = new Server();
  const setHealth = await addHealthAndReflection(server);
  const connections = new Connections(server);
  const board: FaultBoard = new FaultBoard(models, clock, (model, plan) => {
    const modelHost = hosts.find(({ name }) => name === model);
    if (modelHost) modelHost.queue.limit = plan.queue;
    reportHealth(board, setHealth);
  });
  const hosts = models.map((name, index) => {
    const now = () => ({ plan: board.get(name), ageMs: board.ageMs(name) });
    return new ModelHost({
      name,
      latencyMs: latencyMs[name],
      preset,
      seed: seed + index,
      clock,
      faults: now,
    });
  });
  const context: ServerContext = {
    clock,
    hosts,
    host: (name, version) => findHost(hosts, preset, name, version),
    dropConnection: (peer) => connections.drop(peer),
  };
  server.addService(GRPCInferenceServiceService, inferenceService(context));
  server.addService(FaultServiceService, faultService(board));
  reportHealth(board, setHealth);
  const actualPort = await connections.listen(host, port);
  // After listening, so that a warm-up begins when the first call can come.
  for (const [model, plan] of faults) board.set(model, plan);

  const stop = (how: 'close' | 'kill') => {
    const stopped = connections[how]();
    server.forceShutdown();
    return stopped;
  };
  let ended: Promise<void> | undefined;
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${actualPort}`,
    port: actualPort,
    models,
    faults: board,
    load: (model) => {
      const host = hosts.find(({ name }) => name === model);
      if (!host) throw invalid('model', `one of ${models.join(', ')}`, model);
      return { running: host.queue.running, queued: host.queue.queued };
    },
    close: () => {
      ended ??= stop('close');
      return ended;
    },
    kill: () => {
      ended ??= stop('kill');
      return ended;
    },
  };
}

/** Like ServerReady: the server is healthy when every model is. */
function reportHealth(board: FaultBoard, setHealth: SetHealth): void {
  const ready = board.models.filter((model) => !board.get(model).notReady);
  for (const model of board.models) setHealth(model, ready.includes(model));
  for (const name of ['', 'inference.GRPCInferenceService']) {
    setHealth(name, ready.length === board.models.length);
  }
}
