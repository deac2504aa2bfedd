import type { CallCredentials, Client, ClientOptions, InterceptorOptions, Metadata } from '@grpc/grpc-js';

type Channel = ReturnType<Client['getChannel']>;
type CallProperties = Parameters<NonNullable<ClientOptions['callInvocationTransformer']>>[0];

/** A call as the channel got it, behind all interceptors. Call credentials add their metadata later. */
export interface SentCall {
  readonly metadata: Metadata;
  readonly credentials: CallCredentials | undefined;
  readonly host: string | undefined;
}

/** The property of a call's options. `Symbol.for`, so that guards of several copies of this package share a client's record. */
const SENT_CALLS = Symbol.for('failsoft.sent-calls');

interface RecordedOptions extends Omit<InterceptorOptions, 'method_definition'> {
  [SENT_CALLS]?: SentCalls;
}

/** Everything that is sent for a single call of a client: interceptors may send the call several times, or never. */
export interface SentCalls {
  /** The client's own channel. */
  readonly channel: Channel;
  /** The channel that records. */
  readonly recorder: Channel;
  /** The call's method. grpc-js makes it anew for each call. */
  readonly definition: CallProperties['methodDefinition'];
  readonly list: readonly SentCall[];
}

/** The properties of a call with its own channel, which records everything that is sent for this call. */
export function recorded(properties: CallProperties): CallProperties {
  if (recordOf(properties) !== undefined) return properties; // another guard of the client records the call
  const { channel, methodDefinition: definition } = properties;
  const list: SentCall[] = [];
  const recorder = withCreateCall(channel, recording(channel, list));
  const record: SentCalls = { channel, recorder, definition, list };
  // the record first, because adding a property to a copy costs a microsecond in V8
  const callOptions: RecordedOptions = Object.assign({ [SENT_CALLS]: record }, properties.callOptions);
  callOptions[SENT_CALLS] = record; // in place of the record of another call, whose options these are a copy of
  return { ...properties, channel: recorder, callOptions };
}

/** Whether a guard of the client records everything that is sent for this call. */
export function isRecorded(properties: CallProperties): boolean {
  return recordOf(properties) !== undefined;
}

/** The client's own channel, of a call that another guard of the client may record. */
export function ownChannelOf(properties: CallProperties): Channel {
  return recordOf(properties)?.channel ?? properties.channel;
}

/** Undefined for the options of another call: an interceptor may pass them on to another client. */
function recordOf({ callOptions, channel }: CallProperties): SentCalls | undefined {
  const record = sentCallsOf(callOptions);
  return record?.recorder === channel ? record : undefined;
}

/** The record in a call's options: it may be that of another call, whose options an interceptor has passed on to another client. */
export function sentCallsOf(options: RecordedOptions): SentCalls | undefined {
  return options[SENT_CALLS];
}

/** The record of this very call; undefined if its client lacks `guard.clientOptions()`, or if an interceptor has made new options. */
export function ownSentCallsOf(options: InterceptorOptions): SentCalls | undefined {
  const record = sentCallsOf(options);
  return record?.definition === options.method_definition ? record : undefined;
}

/** The channel with another `createCall`. A proxy, because grpc-js's channel is a class with private members. */
export function withCreateCall<C extends Channel>(channel: C, createCall: C['createCall']): C {
  return new Proxy(channel, {
    get: (target, name) => (name === 'createCall' ? createCall : Reflect.get(target, name)),
  });
}

function recording(channel: Channel, list: SentCall[]): Channel['createCall'] {
  return (...args) => {
    const call = channel.createCall(...args);
    const host = args[2] ?? undefined;
    let credentials: CallCredentials | undefined;
    // To change the call is safe, because no other code has it yet.
    const { setCredentials, start } = call;
    call.setCredentials = (given) => {
      credentials = given;
      setCredentials.call(call, given);
    };
    call.start = (metadata, listener) => {
      // A copy is sent and recorded, because the interceptor may change its object later.
      const sent = metadata.clone();
      list.push({ metadata: sent, credentials, host });
      start.call(call, sent, listener);
    };
    return call;
  };
}
