import {
  type Channel,
  Client,
  credentials,
  InterceptingCall,
  type Interceptor,
  type NextCall,
  type Requester,
} from '@grpc/grpc-js';
import type { RealCall } from './call.js';

/** `Symbol.for`, so that a guard knows the calls of a channel that another copy of this package guards. */
const SENDS_AS_GIVEN = Symbol.for('failsoft.sends-as-given');

interface MarkedNextCall extends NextCall {
  [SENDS_AS_GIVEN]?: true;
}

/** Marks a function of ours: its calls are sent with exactly the metadata, credentials and host that they are given. */
export function markSendsAsGiven(nextCall: MarkedNextCall): NextCall {
  nextCall[SENDS_AS_GIVEN] = true;
  return nextCall;
}

/**
 * Whether a real call is certainly sent with the metadata, the credentials and the host that it is given: the guard's interceptor
 * is then the innermost one. False for everything that is not certain: a call of another interceptor or of another copy of grpc-js.
 *
 * grpc-js exports neither the class of its innermost calls nor the function that makes them, so both are compared with those
 * that an interceptor of our own has got. The class alone would not do: an interceptor may give back the innermost call that it
 * has made with other options.
 * @param makeReal made `real`
 */
export function sendsAsGiven(makeReal: MarkedNextCall, real: RealCall): boolean {
  if (makeReal[SENDS_AS_GIVEN] === true) return true;
  innermost ??= findInnermost();
  return Object.getPrototypeOf(real) === innermost.prototype && sourceOf(makeReal) === innermost.source;
}

/**
 * Whether a real call is started by grpc-js's own code, which passes the metadata to the channel unchanged. False if that is not
 * certain, and for response streams. Cheaper than {@link sendsAsGiven}: the options of the real call do not matter here.
 */
export function startsUnseen(real: RealCall): boolean {
  innermost ??= findInnermost();
  return real.start === innermost.start;
}

/** Whether a real call is certain to encode a message before `sendMessageWithContext()` returns, as grpc-js's own code does. */
export function encodesAtOnce(real: RealCall): boolean {
  innermost ??= findInnermost();
  return real.sendMessageWithContext === innermost.sendMessage;
}

interface Innermost {
  /** The method with which the calls are started. */
  readonly start: unknown;
  /** The method with which they send a message. */
  readonly sendMessage: unknown;
  /** The prototype of the calls. */
  readonly prototype: unknown;
  /** The source of the function that makes them; undefined where it does not differ from that of other interceptors' functions. */
  readonly source: string | undefined;
}

let innermost: Innermost | undefined;

/** Differs from the methods of all calls. */
const NEVER: unknown = Symbol('never');

const NOTHING: RealCall = Object.create(null);
const NO_CHANNEL: Channel = Object.assign(Object.create(null), {
  getTarget: () => 'failsoft',
  createCall: () => NOTHING,
});
const SILENT: Requester = { start: () => {}, sendMessage: () => {}, halfClose: () => {} };

function findInnermost(): Innermost {
  try {
    return builtByGrpc();
  } catch {
    return { start: NEVER, sendMessage: NEVER, prototype: undefined, source: undefined }; // a changed grpc-js: nothing is certain, but no call may fail
  }
}

/** Lets grpc-js build a call behind two interceptors. The call is never started. */
function builtByGrpc(): Innermost {
  let outerSource = '';
  let innerSource = '';
  let prototype: unknown;
  let start: unknown = NEVER;
  let sendMessage: unknown = NEVER;
  const outer: Interceptor = (options, nextCall) => {
    outerSource = sourceOf(nextCall);
    nextCall(options);
    return new InterceptingCall(NOTHING, SILENT);
  };
  const inner: Interceptor = (options, nextCall) => {
    innerSource = sourceOf(nextCall);
    const call = nextCall(options);
    prototype = Object.getPrototypeOf(call);
    start = call.start;
    sendMessage = call.sendMessageWithContext;
    return new InterceptingCall(NOTHING, SILENT);
  };
  const client = new Client('failsoft', credentials.createInsecure(), {
    channelOverride: NO_CHANNEL,
    interceptors: [outer, inner],
  });
  const encode = () => Buffer.alloc(0);
  client.makeUnaryRequest('/failsoft/Innermost', encode, encode, undefined, () => {});
  return { start, sendMessage, prototype, source: innerSource === outerSource ? undefined : innerSource };
}

/** The source as the engine knows it, also where the function has a `toString` of its own. */
function sourceOf(nextCall: NextCall): string {
  return Function.prototype.toString.call(nextCall);
}
