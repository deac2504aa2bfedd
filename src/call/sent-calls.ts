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
  readonly list: readonly SentCall[];
}

/** The call, with a channel of its own that records what goes out for it. */
export function recorded(properties: CallProperties): CallProperties {
  const { channel, callOptions } = properties;
  if (sentCallsOf(callOptions) !== undefined) return properties; // by another guard of the client
  const list: SentCall[] = [];
  const mark: RecordedOptions = { [SENT_CALLS]: { channel, list } };
  return {
    ...properties,
    channel: withCreateCall(channel, recording(channel, list)),
    // the mark first: adding it to a copy costs a microsecond in V8
    callOptions: Object.assign(mark, callOptions),
  };
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
    const setCredentials = call.setCredentials.bind(call);
    call.setCredentials = (given) => {
      credentials = given;
      setCredentials(given);
    };
    const start = call.start.bind(call);
    call.start = (metadata, listener) => {
      // A copy goes out: the interceptor may change its own from now on.
      const sent = metadata.clone();
      list.push({ metadata: sent, credentials, host });
      start(sent, listener);
    };
    return call;
  };
}
