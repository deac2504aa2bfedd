import { credentials } from '@grpc/grpc-js';
import {
  type CircuitOptions,
  callUnary,
  createGuard,
  defaultPrediction,
  type Engine,
  type FailsoftCallOptions,
  FallbackRegistry,
  failureRate,
  type Guard,
  lastGood,
  presets,
  secondaryModel,
  slowRate,
} from 'failsoft';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { demandLevel, demandRequest, majorityAnswer, seededRandom } from 'failsoft/testing';
import { LaterQueue } from './later-queue.js';
import { PRIMARY_MODEL } from './traffic.js';

/** The deadline of a call, fallbacks included, in milliseconds. */
const DEADLINE_MS = 300;
/** The part of the deadline that is kept for the fallbacks, in milliseconds. In a brownout the primary takes longer than the rest. */
const FALLBACK_RESERVE_MS = 150;
/** The most calls of the small model at a time: too few for the whole load, as is usual for a secondary. */
const SECONDARY_CONCURRENCY = 3;

/** More calls than the primary ever has at a time: the page shows the limit, and no call reaches it. */
const PRIMARY_CONCURRENCY = 500;

/** How a call ended for its caller. */
export type Ending = { readonly source: string; readonly level: number } | { readonly error: string };

/** A client as a user would write it. */
export class DemoClient {
  readonly guard: Guard;
  /** The inputs whose callers got the default, which is the same for every input. The primary gets these inputs when it is back. */
  readonly later = new LaterQueue((features) => this.#ask(features, { fallback: false }));
  readonly #primary: GRPCInferenceServiceClient;
  readonly #secondary: GRPCInferenceServiceClient;

  /**
   * @param pace `phaseMs`: the length of a phase in milliseconds, from which the circuit's times follow, so that each state is
   * seen; `slow`: the factor by which deadlines are longer
   */
  constructor(
    addresses: { primary: string; secondary: string },
    engine: Engine,
    { phaseMs, slow, seed }: { phaseMs: number; slow: number; seed: number },
  ) {
    const insecure = credentials.createInsecure();
    this.#secondary = new GRPCInferenceServiceClient(addresses.secondary, insecure);
    const fallbacks = new FallbackRegistry().register(GRPCInferenceServiceService.modelInfer, [
      lastGood({ ttlMs: 60_000, maxStaleMs: 3_600_000 }),
      secondaryModel(this.#secondary, 'modelInfer', {
        name: 'small',
        request: (request) => ({ ...request, modelName: 'demand-small' }),
        maxConcurrent: SECONDARY_CONCURRENCY,
      }),
      defaultPrediction(majorityAnswer),
    ]);
    this.guard = createGuard({
      engine,
      classify: presets.triton,
      circuit: circuitFor(engine, phaseMs, slow),
      methods: [
        {
          match: GRPCInferenceServiceService.modelInfer,
          defaultDeadlineMs: DEADLINE_MS * slow,
          fallbackReserveMs: FALLBACK_RESERVE_MS * slow,
        },
      ],
      fallbacks,
      random: seededRandom(seed + 2),
    });
    this.guard.on('transition', ({ to }) => {
      if (to === 'closed') this.later.drain();
    });
    // The channel, below the circuit, waits before it connects again: short enough for the phases.
    const backoff = {
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': Math.max(100, phaseMs / 10),
    };
    this.#primary = new GRPCInferenceServiceClient(
      addresses.primary,
      insecure,
      this.guard.clientOptions(backoff),
    );
  }

  /** Connects, and makes one call that is neither guarded nor counted. */
  async ready(): Promise<void> {
    const clients = [this.#primary, this.#secondary];
    await Promise.all(clients.map((client) => connected(client)));
    const request = demandRequest(PRIMARY_MODEL, new Array<number>(16).fill(0));
    await callUnary(this.#primary, 'modelInfer', request, { failsoft: { bypass: true } });
  }

  async predict(features: readonly number[]): Promise<Ending> {
    try {
      const { response, source } = await this.#ask(features, {});
      if (source === 'default') this.later.add(features);
      return { source, level: demandLevel(response) };
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  }

  #ask(features: readonly number[], failsoft: FailsoftCallOptions) {
    const request = demandRequest(PRIMARY_MODEL, features);
    return callUnary(this.#primary, 'modelInfer', request, { failsoft });
  }

  async close(): Promise<void> {
    this.later.close();
    await this.guard.close();
    this.#primary.close();
    this.#secondary.close();
  }
}

function circuitFor({ capabilities }: Engine, phaseMs: number, slow: number): CircuitOptions {
  return {
    // slowRate never trips, because no call lasts for DEADLINE_MS: the page shows its rate
    trip: [
      failureRate({ threshold: 0.5, minimumCalls: 20 }),
      ...(capabilities.tripRules.has('slow-rate')
        ? [slowRate({ threshold: 0.9, slowThresholdMs: DEADLINE_MS * slow, minimumCalls: 20 })]
        : []),
    ],
    ...(capabilities.concurrency && { concurrency: { type: 'fixed', limit: PRIMARY_CONCURRENCY } }),
    window: capabilities.windows.has('count')
      ? { type: 'count', size: 40 }
      : { type: 'time', durationMs: 500 * slow },
    open: {
      baseMs: phaseMs * 0.2,
      ...(capabilities.openTimeBackoff && { multiplier: 2, maxMs: phaseMs * 0.5 }),
    },
    ...(capabilities.ramp && { recovering: { durationMs: phaseMs * 0.4 } }),
  };
}

function connected(client: GRPCInferenceServiceClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + 30_000, (error) => (error ? reject(error) : resolve()));
  });
}
