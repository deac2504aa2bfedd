import {
  InterceptingCall,
  type InterceptingListener,
  type Interceptor,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { ConsecutiveBreaker, circuitBreaker, handleAll, type IPolicy } from 'cockatiel';
import {
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  type Guard,
  type GuardOptions,
  perMethod,
} from 'failsoft';
import { type GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import CircuitBreaker from 'opossum';
import { addedTo, answer, BATCH, BATCHES, type Batch, calls, client, request, usOf } from '../lib/calls.js';
import type { Row, Sampler } from '../lib/row.js';

const noOp: Interceptor = (options, nextCall) => new InterceptingCall(nextCall(options));

/** An interceptor that answers by itself, with the least work for it. */
function minimal(reply: (listener: Partial<InterceptingListener>) => void): Interceptor {
  class MinimalCall extends InterceptingCall {
    override start(_metadata: Metadata, listener: Partial<InterceptingListener> = {}): void {
      setImmediate(reply, listener);
    }
    override sendMessage(): void {}
    override sendMessageWithContext(): void {}
    override halfClose(): void {}
  }
  const none: ConstructorParameters<typeof InterceptingCall>[0] = Object.create(null);
  return () => new MinimalCall(none);
}

const rejecting = minimal((listener) =>
  listener.onReceiveStatus?.({
    code: status.UNAVAILABLE,
    details: `circuit isolated by hand: ${GRPCInferenceServiceService.modelInfer.path}`,
    metadata: new Metadata(),
  }),
);

const answering = minimal((listener) => {
  const metadata = new Metadata();
  metadata.set('failsoft-source', 'default');
  metadata.set('failsoft-cause', 'ISOLATED');
  listener.onReceiveMetadata?.(metadata);
  listener.onReceiveMessage?.(answer);
  listener.onReceiveStatus?.({ code: status.OK, details: '', metadata: new Metadata() });
});

/** The same calls as promises, inside a policy. */
function promised(
  on: GRPCInferenceServiceClient,
  within: (call: () => Promise<unknown>) => Promise<unknown>,
): Batch {
  const call = () =>
    new Promise((resolve, reject) => {
      on.modelInfer(request, (error: ServiceError | null, value) => (error ? reject(error) : resolve(value)));
    });
  return async () => {
    await Promise.allSettled(Array.from({ length: BATCH }, () => within(call)));
    await new Promise(setImmediate);
  };
}

const inOpossum = (breaker: CircuitBreaker<[() => Promise<unknown>]>) => (call: () => Promise<unknown>) =>
  breaker.fire(call);
const inCockatiel = (policy: IPolicy) => (call: () => Promise<unknown>) => policy.execute(call);

const opossum = () => new CircuitBreaker((call: () => Promise<unknown>) => call(), { timeout: false });
const cockatiel = () =>
  circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) });

/** Microseconds per call. The mean, so that it includes the cost of garbage. */
function perCall(batch: Batch): Sampler {
  return async () => {
    let sum = 0;
    for (let n = 0; n < BATCHES; n++) sum += await usOf(batch);
    return sum / BATCHES;
  };
}

/** Additional microseconds per call over an unguarded client. */
function added(batch: Batch): Sampler {
  return addedTo(calls(client()), batch);
}

const okAdded: Row = {
  name: 'interceptor.ok.added',
  unit: 'us',
  budget: 1,
  budgetOfFloor: 2.5,
  open: () => ({
    ours: added(calls(client(createGuard({ keyBy: perMethod() }).interceptor))),
    floor: added(calls(client(noOp))),
    opossum: added(promised(client(), inOpossum(opossum()))),
    cockatiel: added(promised(client(), inCockatiel(cockatiel()))),
  }),
};

/** A guard with its defaults, for a service whose requests name a model: the default key reads the name. */
const perModelAdded: Row = {
  name: 'interceptor.ok.added.per-model',
  unit: 'us',
  budget: 1.5,
  open: () => ({
    ours: added(calls(client(createGuard().interceptor))),
    floor: added(calls(client(noOp))),
  }),
};

/** The names of the rows that use the default key, which reads the model's name in the request. */
const PER_MODEL = '.per-model';

/** A guard whose circuit rejects every call. */
function rejectingGuard(options: GuardOptions): Guard {
  const guard = createGuard(options);
  const model = options.keyBy === undefined ? request.modelName : undefined;
  guard.circuit(GRPCInferenceServiceService.modelInfer, model).isolate();
  return guard;
}

function openedOpossum(): CircuitBreaker<[() => Promise<unknown>]> {
  const opened = opossum();
  opened.open();
  return opened;
}

const reject: Row = {
  name: 'interceptor.reject',
  unit: 'us',
  budgetOfFloor: 1.05,
  open: () => {
    const held = cockatiel();
    held.isolate();
    return {
      ours: perCall(calls(client(rejectingGuard({ keyBy: perMethod() }).interceptor))),
      floor: perCall(calls(client(rejecting))),
      opossum: perCall(promised(client(), inOpossum(openedOpossum()))),
      cockatiel: perCall(promised(client(), inCockatiel(held))),
    };
  },
};

const rejectPerModel: Row = {
  name: reject.name + PER_MODEL,
  unit: 'us',
  budgetOfFloor: 1.1,
  open: () => ({
    ours: perCall(calls(client(rejectingGuard({}).interceptor))),
    floor: perCall(calls(client(rejecting))),
  }),
};

/** A guard whose circuit rejects every call, and whose fallback answers with a constant. */
function answeringGuard(options: GuardOptions): Guard {
  const fallbacks = new FallbackRegistry().register(GRPCInferenceServiceService.modelInfer, [
    defaultPrediction(answer),
  ]);
  return rejectingGuard({ ...options, fallbacks });
}

const fallbackDefault: Row = {
  name: 'fallback.default',
  unit: 'us',
  budgetOfFloor: 1.25,
  open: () => {
    const opened = openedOpossum();
    opened.fallback(() => answer);
    return {
      ours: perCall(calls(client(answeringGuard({ keyBy: perMethod() }).interceptor))),
      floor: perCall(calls(client(answering))),
      opossum: perCall(promised(client(), inOpossum(opened))),
    };
  },
};

const fallbackPerModel: Row = {
  name: fallbackDefault.name + PER_MODEL,
  unit: 'us',
  budgetOfFloor: 1.35,
  open: () => ({
    ours: perCall(calls(client(answeringGuard({}).interceptor))),
    floor: perCall(calls(client(answering))),
  }),
};

export const rows: readonly Row[] = [
  okAdded,
  perModelAdded,
  reject,
  rejectPerModel,
  fallbackDefault,
  fallbackPerModel,
];
