import { Server } from '@grpc/grpc-js';
import { invalid } from '../../errors.js';
import { FaultServiceService } from '../../gen/failsoft/mock/v1/fault.js';
import { GRPCInferenceServiceService } from '../../gen/inference/grpc_service.js';
import type { BoundedQueue } from '../faults/bounded-queue.js';
import { FaultBoard } from '../faults/fault-board.js';
import { Connections } from './connections.js';
import { faultService } from './fault-service.js';
import { inferenceService } from './inference-service.js';
import { ModelHost } from './model-host.js';
import { addHealthAndReflection, type SetHealth } from './optional-packages.js';
import { type MockServerOptions, resolveServerOptions } from './options.js';
import { wrapped } from './own-services.js';
import { findHost, loadedHost, type ServerContext } from './server-context.js';
import { ServiceHost } from './service-host.js';

/** A mock inference server that runs in this process. */
export interface MockServer {
  /** `host:port`, for a client. */
  readonly address: string;
  /** The port that it listens on. */
  readonly port: number;
  /** The names of its models. */
  readonly models: readonly string[];
  /** The faults of its models and services, to set and read while it runs. */
  readonly faults: FaultBoard;
  /**
   * The numbers of calls of a model, or of a service of yours, that run and wait now.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for an unknown model
   */
  load(model: string): {
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
 * Starts a server of the Open Inference Protocol with two real models, or models of yours, and faults on demand. It also serves
 * failsoft.mock.v1.FaultService, grpc.health.v1 and gRPC reflection, without TLS.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for a bad option, FAILSOFT_UNSUPPORTED where `grpc-health-check` or
 * `@grpc/reflection` is not installed; Node's own error (EADDRINUSE, ...) where it cannot listen
 */
export async function startMockServer(options: MockServerOptions = {}): Promise<MockServer> {
  const resolved = resolveServerOptions(options);
  const { host, port, preset, seed, clock } = resolved;
  const server = new Server();
  const setHealth = await addHealthAndReflection(server);
  const connections = new Connections(server);
  const queues = new Map<string, BoundedQueue>();
  const models = resolved.models.map(({ name }) => name);
  const names = [...models, ...resolved.services.map(({ name }) => name)];
  const health = () => reportHealth(board, hosts, setHealth);
  const board: FaultBoard = new FaultBoard(names, clock, (name, plan) => {
    const queue = queues.get(name);
    if (queue !== undefined) queue.limit = plan.queue;
    health();
  });
  const faultsOf = (name: string) => () => ({ plan: board.get(name), ageMs: board.ageMs(name) });
  const dropConnection = (peer: string) => connections.drop(peer);
  const hosts = resolved.models.map(
    (model, index) =>
      new ModelHost({ model, preset, seed: seed + index, clock, faults: faultsOf(model.name) }),
  );
  const services = resolved.services.map((service, index) => {
    const { name, latencyMs } = service;
    const faults = faultsOf(name);
    const own = { name, latencyMs, preset, seed: seed + hosts.length + index, clock, faults, dropConnection };
    return { service, host: new ServiceHost(own) };
  });
  for (const each of [...hosts, ...services.map((service) => service.host)])
    queues.set(each.name, each.queue);
  const context: ServerContext = {
    clock,
    hosts,
    known: (name, version) => findHost(hosts, preset, name, version),
    host: (name, version) => loadedHost(findHost(hosts, preset, name, version)),
    setLoaded: (changed, loaded) => {
      changed.loaded = loaded;
      health();
    },
    dropConnection,
  };
  server.addService(GRPCInferenceServiceService, inferenceService(context));
  server.addService(FaultServiceService, faultService(board));
  for (const { service, host: serviceHost } of services) {
    const handlers = wrapped(service, (handler, kind) => serviceHost.wrap(handler, kind));
    server.addService(service.definition, handlers);
  }
  health();
  const actualPort = await connections.listen(host, port);
  // After listening, so that a warm-up begins when the first call can come.
  for (const [name, plan] of resolved.faults) board.set(name, plan);

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
    load: (name) => {
      const queue = queues.get(name);
      if (!queue) throw invalid('model', `one of ${names.join(', ')}`, name);
      return { running: queue.running, queued: queue.queued };
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

/** Reports health as ServerReady does: the server is healthy when every loaded model is. */
function reportHealth(board: FaultBoard, hosts: readonly ModelHost[], setHealth: SetHealth): void {
  const unloaded = hosts.filter((host) => !host.loaded).map(({ name }) => name);
  const bad = board.models.filter((name) => board.get(name).notReady && !unloaded.includes(name));
  for (const name of board.models) setHealth(name, !bad.includes(name) && !unloaded.includes(name));
  for (const name of ['', 'inference.GRPCInferenceService']) setHealth(name, bad.length === 0);
}
