// The guard: what most users need.

export { callUnary, type UnaryAnswer, type UnaryCallOptions } from './call/call-unary.js';
export type {
  CallAnswer,
  CallDefinition,
  CallPort,
  CallShape,
  GuardCallOptions,
  PrimaryContext,
} from './call/neutral/call-types.js';
export type { GuardedStream } from './call/neutral/guarded-stream.js';
export type { FallbackResult, OpenCall } from './call/neutral/open-call.js';
export type { StreamLimits } from './call/stream-watch.js';
// When a circuit opens.
export {
  type AdaptiveOptions,
  type AdaptiveRule,
  adaptive,
  type BaselineSnapshot,
  type Circuit,
  type CircuitMode,
  type CircuitOptions,
  type CircuitRecovery,
  type CircuitSnapshot,
  type CircuitStateName,
  type Circumstances,
  type ConcurrencyOptions,
  type ConsecutiveFailuresRule,
  consecutiveFailures,
  defaults,
  type ExecuteOptions,
  type FailureRateRule,
  failureRate,
  type HalfOpenOptions,
  type IsolationHandle,
  type Jitter,
  type LatencyPercentileRule,
  latencyPercentile,
  type Opening,
  type OpenOptions,
  type Permit,
  type Priority,
  type RampOptions,
  REJECTION_REASONS,
  type Rejection,
  type RejectionReason,
  type Signal,
  type SignalRule,
  type SlowRateRule,
  signal,
  slowRate,
  type ThrottleOptions,
  type TripRule,
  type TripRuleName,
  type WindowOptions,
} from './circuit/index.js';
// How answers are classified.
export { DEFAULT_TABLE } from './classify/classifier.js';
export { CALLER_RULES, LOCAL_RULES, PROXY_RULES } from './classify/common-rules.js';
export type { Outcome } from './classify/outcome.js';
export { presets } from './classify/presets.js';
export type { ClassifyOptions, ClassifyRule, FinishedCall } from './classify/rule.js';
// For integrators: engines and clocks.
export { type Clock, type EventLoop, systemClock } from './clock.js';
export type { CircuitEnvironment, CircuitFactory, Engine, EngineCapabilities } from './engines/engine.js';
export { nativeEngine } from './engines/native.js';
export { FailsoftError, type FailsoftErrorCode, isFailsoftError } from './errors.js';
export type { ChainOptions, FallbackChain } from './fallback/chain/chain.js';
export { type CoalesceOptions, coalesce } from './fallback/coalesce.js';
export {
  type DefaultPredictionOptions,
  type DefaultValue,
  defaultPrediction,
} from './fallback/default-prediction.js';
export { type DeferredOptions, deferred, JOB_ID_KEY } from './fallback/deferred/deferred.js';
export { DeferredDrainer } from './fallback/deferred/drainer.js';
export type { DrainedMethod, DrainerOptions } from './fallback/deferred/drainer-options.js';
export type { DeadJob, DeferredJob, DeferredQueue, QueueCounts } from './fallback/deferred/queue.js';
export { type DeferredResult, IDEMPOTENCY_KEY } from './fallback/deferred/replay.js';
// Fallbacks: the answers in place of the primary's.
export type {
  AnswerStore,
  StoreState,
  StoreStateEvent,
  StoreStats,
} from './fallback/last-good/answer-store.js';
export { lastGood } from './fallback/last-good/last-good.js';
export type {
  LastGood,
  LastGoodOptions,
  LastGoodStats,
  SkippedAnswers,
} from './fallback/last-good/options.js';
export { type NoFallbackOptions, noFallback } from './fallback/no-fallback.js';
export { FallbackRegistry } from './fallback/registry.js';
export { type AnswerFunction, type AnswerWithOptions, answerWith } from './fallback/secondary/answer-with.js';
export type {
  ProtectedStrategy,
  ProtectedStrategyOptions,
} from './fallback/secondary/protected-strategy.js';
export type { ProtectionOptions } from './fallback/secondary/protection.js';
export {
  type SecondaryBaseOptions,
  type SecondaryOptions,
  secondaryModel,
} from './fallback/secondary/secondary-model.js';
export type {
  Answer,
  Answering,
  Attempt,
  AttemptScope,
  CallFacts,
  Cause,
  CauseKind,
  FallbackContext,
  FallbackStrategy,
  Method,
  ParentCall,
  PrimaryAnswer,
  Source,
  When,
} from './fallback/strategy.js';
export type { FailsoftCallOptions } from './guard/call-options.js';
export type { ChannelMethod } from './guard/channel-call.js';
export { createGuard } from './guard/guard.js';
export { type ChannelDefinitions, type GuardChannelOptions, guardChannel } from './guard/guard-channel.js';
export type { CircuitSettings, Guard, GuardOptions, GuardSettings } from './guard/guard-options.js';
export type { Match } from './guard/match.js';
export type { MethodOptions, MethodRule } from './guard/method-options.js';
export type { SoftDeadlineOptions } from './guard/soft-deadline.js';
export { type KeyBy, type KeyContext, type KeyPart, perKey, perMethod, perModel } from './key/key-by.js';
// How an open circuit finds out that its server is back.
export type {
  Readiness,
  ReadinessCheck,
  ReadinessFunction,
  ReadinessQuestion,
} from './recovery/check.js';
export { connectivity } from './recovery/connectivity.js';
export { grpcHealth } from './recovery/grpc-health.js';
export { type ModelReadyOptions, modelReady } from './recovery/model-ready.js';
export type { ProbeTarget, RecoveryOptions } from './recovery/options.js';
export { type Provenance, type ProvenanceLabel, provenanceOf } from './status/provenance.js';
export { type CircuitRejection, circuitRejectionOf } from './status/rejection.js';
export type { AnswerCause, AnswerCount } from './telemetry/answers.js';
export type { AttemptCount } from './telemetry/attempts.js';
export type { CallObserver, ObserveCall } from './telemetry/call-observers.js';
export type { FailsoftChannels } from './telemetry/channels.js';
export type { ProbeCount, ProbeKind, TransitionCount } from './telemetry/counts.js';
export type { Listener } from './telemetry/emitter.js';
// Events and readings of a guard.
export type {
  CallEvent,
  CircuitListener,
  DegradedEvent,
  EvictedEvent,
  GuardEvents,
  IsolationEvent,
  ProbeEvent,
  RejectedEvent,
  StoreEvent,
  TransitionEvent,
  WarningEvent,
} from './telemetry/events.js';
export type { SecondaryReading } from './telemetry/secondary-reading.js';
export {
  type PrometheusSignal,
  type PrometheusSignalOptions,
  prometheusSignal,
} from './telemetry/signal/prometheus-signal.js';
export type { StoreReading } from './telemetry/store-reading.js';
