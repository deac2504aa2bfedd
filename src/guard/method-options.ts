import type { CircuitOptions, Priority } from '../circuit/types.js';
import type { ClassifyOptions } from '../classify/rule.js';
import type { KeyBy } from '../key/key-by.js';
import type { RecoveryOptions } from '../recovery/options.js';
import type { Match } from './match.js';
import type { SoftDeadlineOptions } from './soft-deadline.js';

/** Settings of methods: for all methods of a guard, or in a rule for some of them. */
export interface MethodOptions {
  /**
   * `false`: calls of the method are not guarded. Health, reflection and load-report services are not guarded unless a rule
   * names them, as methods or as services. Questions about health and metadata of services that predict (in the Open Inference
   * Protocol: ServerLive, ServerReady, ServerMetadata, ModelReady and ModelMetadata) are not guarded unless a rule names the
   * method.
   * @default true
   */
  readonly guard?: boolean;
  /** Merged field by field with the less specific settings. */
  readonly circuit?: CircuitOptions;
  /**
   * A circuit for the method as a whole, above the circuits of its models: a dead server trips once, not once per
   * model. It counts UNAVAILABLE and DEADLINE_EXCEEDED as failures. `true`: trips on 10 consecutive failures (a failure
   * rate of 0.9 over 20 calls where the engine cannot count in a row, its own rule where it takes no other), the rest
   * as in `circuit`. Where calls have no key part (`perMethod()`), there are no circuits below it, and no parent.
   * @default false
   */
  readonly parentCircuit?: boolean | CircuitOptions;
  /**
   * How an open circuit finds out that its server is back. Merged field by field with the less specific settings; `false` for the
   * open time alone.
   * @default the connectivity of clients that were made with `guard.clientOptions()`
   */
  readonly recovery?: false | RecoveryOptions;
  /** Classifies statuses and messages. @default DEFAULT_TABLE */
  readonly classify?: ClassifyOptions;
  /**
   * Chooses the circuit of a call.
   * @default a circuit per model for services whose requests name a model (Open Inference Protocol, TensorFlow Serving, TorchServe,
   * BentoML), as by `perModel()`; a circuit per method for all others
   */
  readonly keyBy?: KeyBy;
  /** The priority of calls that give none themselves. @default 'normal' */
  readonly priority?: Priority;
  /**
   * The deadline of calls without a deadline, in milliseconds; `Infinity` for no deadline. A stream may be healthy for hours:
   * it has this deadline only where the rule with this option names its method.
   * @default Infinity
   */
  readonly defaultDeadlineMs?: number;
  /**
   * A DEADLINE_EXCEEDED of a call whose server was given less than this, in milliseconds, is `ignored`: it is no evidence
   * against the server. The time of `fallbackReserveMs` is not given to the server.
   * @default the usual duration of the circuit's calls (a moving median of its successes), but at least 10, or
   * `defaultDeadlineMs` where that is less
   */
  readonly minimumDeadlineMs?: number;
  /**
   * The part of the caller's deadline that is reserved for fallbacks, in milliseconds, at most half of it. The primary has
   * the rest. A response stream has the shorter time for its first message only, and its whole deadline from there on. Without
   * effect where no fallback serves failures. A second model needs as long as it usually takes.
   * @default 20, at most a tenth of the deadline; 100, at most a fifth, where a fallback calls something (`waits: true`) and
   * the primary usually takes less than half of the rest (from 20 good answers on)
   */
  readonly fallbackReserveMs?: number;
  /**
   * Soft deadline. A call that is not answered within this time asks its fallbacks, while it goes on: whichever answers first is
   * given to the caller, and the primary's late answer still counts for its circuit, and for `lastGood`. A number of
   * milliseconds, or a percentile of the circuit's own recent latencies. It is counted from the moment when the caller has sent
   * everything; for a response stream it is the time to its first message, while the caller reads. Without effect where no
   * fallback serves slow calls. The idea is from Dean and Barroso, "The Tail at Scale". @default none
   */
  readonly fallbackAfterMs?: number | SoftDeadlineOptions;
  /** Ends a response stream whose first message takes longer (DEADLINE_EXCEEDED). @default none */
  readonly firstMessageTimeoutMs?: number;
  /** Ends a response stream that pauses longer while the caller is reading (DEADLINE_EXCEEDED). @default none */
  readonly stallTimeoutMs?: number;
  /**
   * Idle limit, in milliseconds. After this long without a read, a write or an incoming message, a stream's permit is released
   * with outcome `ignored`; the call goes on. A caller that has sent everything and waits for the server's message is not idle.
   * A fallback's stream that is not read for this long is ended. A client stream that failed or was rejected must end within
   * this time; otherwise its caller gets the error in place of a fallback's answer.
   * @default 60000
   */
  readonly abandonedAfterMs?: number;
  /** Most bytes of a client stream that are kept for its fallback. @default 1048576 */
  readonly fallbackBufferBytes?: number;
  /**
   * Whether the server's headers are held back until the first message or the status, where a fallback may still answer.
   * `false`: they are passed on at once, for callers that wait for headers before they send. A fallback's headers are then a
   * second `'metadata'` event.
   * @default true
   */
  readonly holdHeaders?: boolean;
}

/** Settings for some methods. */
export interface MethodRule extends MethodOptions {
  /** The methods that the rule is for. */
  readonly match: Match;
}

export const METHOD_KEYS: readonly (keyof MethodOptions)[] = [
  'guard',
  'circuit',
  'parentCircuit',
  'recovery',
  'classify',
  'keyBy',
  'priority',
  'defaultDeadlineMs',
  'minimumDeadlineMs',
  'fallbackReserveMs',
  'fallbackAfterMs',
  'firstMessageTimeoutMs',
  'stallTimeoutMs',
  'abandonedAfterMs',
  'fallbackBufferBytes',
  'holdHeaders',
];

export const METHOD_OPTION_KEYS: readonly string[] = METHOD_KEYS;
