import type { CircuitOptions, Priority } from '../circuit/types.js';
import type { ClassifyOptions } from '../classify/rule.js';
import type { KeyBy } from '../key/key-by.js';
import type { RecoveryOptions } from '../recovery/options.js';
import type { Match } from './match.js';
import type { SoftDeadlineOptions } from './soft-deadline.js';

/** Settings of methods: for all methods of a guard, or in a rule for some of them. */
export interface MethodOptions {
  /**
   * `false`: calls of the method are not guarded. Services for health, reflection and load reports are guarded only if a rule names
   * the service or the method. Methods of prediction services that ask about health and metadata (in the Open Inference Protocol:
   * ServerLive, ServerReady, ServerMetadata, ModelReady and ModelMetadata) are guarded only if a rule names the method.
   * @default true
   */
  readonly guard?: boolean;
  /** The options of the circuits. Merged field by field with the less specific settings. @default `defaults` */
  readonly circuit?: CircuitOptions;
  /**
   * A parent circuit for the method as a whole, above the circuits of its models, so that a dead server trips one circuit and not
   * one per model. It counts UNAVAILABLE and DEADLINE_EXCEEDED as failures. `true`: it trips on 10 failures in a row, and has the
   * other options of `circuit`. (An engine that does not count failures in a row uses a failure rate of 0.9 over 20 calls; an
   * engine that takes no trip rules uses its own.) A method whose calls have no key part (`perMethod()`) has no parent circuit.
   * @default false
   */
  readonly parentCircuit?: boolean | CircuitOptions;
  /**
   * How an open circuit finds out that its server is back. Merged field by field with the less specific settings; `false`: only by
   * probes at the end of the open time.
   * @default the connectivity of clients that were made with `guard.clientOptions()`
   */
  readonly recovery?: false | RecoveryOptions;
  /** How statuses and messages are classified. @default DEFAULT_TABLE */
  readonly classify?: ClassifyOptions;
  /**
   * Chooses the circuit of a call.
   * @default a circuit per model for services whose requests name a model (Open Inference Protocol, TensorFlow Serving, TorchServe,
   * BentoML), as with `perModel()`; a circuit per method for all others
   */
  readonly keyBy?: KeyBy;
  /** The priority of calls without a priority of their own. @default 'normal' */
  readonly priority?: Priority;
  /**
   * The deadline of calls without a deadline of their own, in milliseconds; `Infinity` for no deadline. It applies to streams only
   * if the rule with this option names the stream's method, because a healthy stream may last for hours.
   * @default Infinity
   */
  readonly defaultDeadlineMs?: number;
  /**
   * If the server was given less time than this, in milliseconds, a DEADLINE_EXCEEDED is `ignored`: it is no evidence against the
   * server. The time of `fallbackReserveMs` is not given to the server.
   * @default the usual duration of the circuit's calls (a moving median of its successes), but at least 10, or
   * `defaultDeadlineMs` if that is less
   */
  readonly minimumDeadlineMs?: number;
  /**
   * The part of the caller's time that is reserved for fallbacks, in milliseconds, at most half of that time. The primary has the
   * rest. For a response stream, only the wait for the first message is shortened. No effect if no fallback serves failures. For a
   * second model, reserve as long as it usually takes.
   * @default 20, at most a tenth of the time; but 100, at most a fifth, if a fallback makes a call (`waits: true`) and the primary
   * usually takes at most half of the rest (known from 20 good answers on)
   */
  readonly fallbackReserveMs?: number;
  /**
   * Soft deadline: a number of milliseconds, or a percentile of the circuit's own recent latencies. If the primary has not answered
   * within this time, the fallbacks are asked, while the real call goes on. The caller gets the first answer; a late answer of the
   * primary still counts for its circuit, and for `lastGood`. The time begins when the caller has sent everything; for a response
   * stream it is the caller's wait for the first message. No effect if no fallback serves slow calls, nor on calls that are made with
   * `callStream()` or `begin()` of the guard. The idea is from Dean and Barroso, "The Tail at Scale". @default none
   */
  readonly fallbackAfterMs?: number | SoftDeadlineOptions;
  /** Ends a response stream, with DEADLINE_EXCEEDED, if its first message takes longer, in milliseconds. @default none */
  readonly firstMessageTimeoutMs?: number;
  /**
   * Ends a response stream, with DEADLINE_EXCEEDED, if the caller waits longer for a further message, in milliseconds.
   * @default none
   */
  readonly stallTimeoutMs?: number;
  /**
   * Idle limit, in milliseconds. After this long without a read, a write or an incoming message, a stream's permit is released
   * with outcome `ignored`; the call goes on. A caller that has sent everything and waits for the server's message is not idle.
   * A fallback's stream that is not read for this long is ended. A client stream that failed or was rejected must end within
   * this time; otherwise its caller gets the error in place of a fallback's answer.
   * @default 60000
   */
  readonly abandonedAfterMs?: number;
  /** The most bytes of a request stream that are kept for its fallbacks; a longer request is not kept. @default 1048576 */
  readonly fallbackBufferBytes?: number;
  /**
   * Whether the server's headers are held back until the first message or the status, as long as a fallback may still answer.
   * `false`: the caller gets them at once, for callers that wait for headers before they send. A fallback's headers are then a
   * second `'metadata'` event.
   * @default true
   */
  readonly holdHeaders?: boolean;
}

/** Settings for some methods. */
export interface MethodRule extends MethodOptions {
  /** The methods to which the rule applies. */
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
