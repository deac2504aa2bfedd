import {
  type Client,
  type ClientOptions,
  connectivityState,
  Metadata,
  type StatusObject,
  status,
} from '@grpc/grpc-js';

type Channel = NonNullable<ClientOptions['channelOverride']>;
type Call = ReturnType<Channel['createCall']>;
type CallListener = Parameters<Call['start']>[1];

/** The answer of a fake server to every unary call: bytes, or a status. */
export type FakeAnswer = Buffer | Pick<StatusObject, 'code' | 'details'>;

/** A call without a network: answers in the turn of the half-close. */
class FakeCall implements Call {
  readonly #answer: FakeAnswer;
  #listener: CallListener | undefined;

  constructor(answer: FakeAnswer) {
    this.#answer = answer;
  }

  start(_metadata: Metadata, listener: CallListener): void {
    this.#listener = listener;
  }
  halfClose(): void {
    const answer = this.#answer;
    if (!Buffer.isBuffer(answer)) {
      const { code, details } = answer;
      this.#listener?.onReceiveStatus({ code, details, metadata: new Metadata() });
      return;
    }
    this.#listener?.onReceiveMetadata(new Metadata());
    this.#listener?.onReceiveMessage(answer);
    this.#listener?.onReceiveStatus({ code: status.OK, details: 'OK', metadata: new Metadata() });
  }
  sendMessageWithContext(): void {}
  startRead(): void {}
  cancelWithStatus(): void {}
  getPeer(): string {
    return 'fake';
  }
  getCallNumber(): number {
    return 0;
  }
  setCredentials(): void {}
  getAuthContext(): null {
    return null;
  }
}

/** A channel without a network, so that only the client and its interceptors are measured. */
export class FakeChannel implements Channel {
  readonly #answer: FakeAnswer;

  constructor(answer: FakeAnswer) {
    this.#answer = answer;
  }

  createCall(): Call {
    return new FakeCall(this.#answer);
  }
  close(): void {}
  getTarget(): string {
    return 'fake';
  }
  getConnectivityState(): connectivityState {
    return connectivityState.READY;
  }
  watchConnectivityState(): void {}
  getChannelzRef(): ReturnType<Channel['getChannelzRef']> {
    throw new Error('a fake channel has no channelz');
  }
}

/** Makes clients on a fake channel. */
export function fakeClient<C extends Client>(
  Constructor: new (address: string, credentials: never, options: ClientOptions) => C,
  answer: FakeAnswer,
  options: ClientOptions = {},
): C {
  return new Constructor('fake', undefined as never, {
    ...options,
    channelOverride: new FakeChannel(answer),
  });
}
