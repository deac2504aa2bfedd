import type { CallCredentials, Client, ClientOptions, InterceptorOptions, Metadata } from '@grpc/grpc-js';

type Channel = ReturnType<Client['getChannel']>;
type CallProperties = Parameters<NonNullable<ClientOptions['callInvocationTransformer']>>[0];

/** A call as it was given to the channel, behind all interceptors. Call credentials add their part later. */
export interface SentCall {
  readonly metadata: Metadata;
  readonly credentials: CallCredentials | undefined;
  readonly host: string | undefined;
}

/** In the options of a call. Registered, so that guards of several copies of this package on one client share one record. */
const SENT_CALLS = Symbol.for('failsoft.sent-calls');

interface RecordedOptions extends Omit<InterceptorOptions, 'method_definition'> {
  [SENT_CALLS]?: SentCalls;
}

/** Everything that goes out for one call of a client: interceptors may send it several times, or never. */
export interface SentCalls {
  /** The client's own channel. */
  readonly channel: Channel;
  /** The channel that records. */
  readonly recorder: Channel;
  readonly list: readonly SentCall[];
}

/** The call, with a channel of its own that records what goes out for it. */
export function recorded(properties: CallProperties): CallProperties {
  if (recordOf(properties) !== undefined) return properties; // by another guard of the client
  const { channel } = properties;
  const list: SentCall[] = [];
  const recorder = withCreateCall(channel, recording(channel, list));
  const record: SentCalls = { channel, recorder, list };
  // the record first: adding it to a copy costs a microsecond in V8
  const callOptions: RecordedOptions = Object.assign({ [SENT_CALLS]: record }, properties.callOptions);
  callOptions[SENT_CALLS] = record; // in place of the record of another call, whose options these are a copy of
  return { ...properties, channel: recorder, callOptions };
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

/** Undefined for a call of a client without `guard.clientOptions()`, or where an interceptor has made new options. */
export function sentCallsOf(options: RecordedOptions): SentCalls | undefined {
  return options[SENT_CALLS];
}

/** The channel, with another `createCall`. A proxy, because grpc-js's channel is a class with members of its own. */
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
    // The call is new, and only this function has it yet.
    const { setCredentials, start } = call;
    call.setCredentials = (given) => {
      credentials = given;
      setCredentials.call(call, given);
    };
    call.start = (metadata, listener) => {
      // A copy goes out: the interceptor may change its own from now on.
      const sent = metadata.clone();
      list.push({ metadata: sent, credentials, host });
      start.call(call, sent, listener);
    };
    return call;
  };
}
