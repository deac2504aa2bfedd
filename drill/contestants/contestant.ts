import type { ChannelCredentials, ClientOptions, Interceptor } from '@grpc/grpc-js';
import type {
  GRPCInferenceServiceClient,
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
} from 'failsoft/protos/oip';
import type { CallSetting } from '../client/calls.js';

/** A way to call a model server, set up as its own documentation recommends. */
export interface Contestant {
  readonly name: string;
  /** What it is, and where its set-up comes from. */
  readonly about: string;
  open(setting: Setting): Caller;
}

/** What every contestant is given. */
export interface Setting {
  readonly target: string;
  readonly credentials: ChannelCredentials;
  /** Of the client: round_robin where there are several servers. Goes into the client's options. */
  readonly options: ClientOptions;
  /** Notes which calls are sent to the primary. The last of the client's interceptors, next to the network. */
  readonly sent: Interceptor;
  /** What callers give a call. */
  readonly deadlineMs: number;
  /** The same for all whose API has a place for it. */
  readonly fallback: Fallback;
  /** To be called whenever a breaker changes its state. */
  readonly report: (state: BreakerState) => void;
}

export type BreakerState = 'closed' | 'open' | 'half-open' | 'recovering';

/** What answers when the primary does not. */
export interface Fallback {
  /** A client of the secondary model. */
  readonly secondary: GRPCInferenceServiceClient;
  /** Asks the secondary model and gives the default where it has no answer. */
  readonly ask: (request: ModelInferRequest, call: CallSetting) => Promise<ModelInferResponse>;
  readonly defaultAnswer: (request: ModelInferRequest) => ModelInferResponse;
  readonly defaultStreamAnswer: (request: ModelInferRequest) => ModelStreamInferResponse;
}

/** Makes calls. */
export interface Caller {
  infer(request: ModelInferRequest, call: CallSetting): Promise<ModelInferResponse>;
  inferStream(request: ModelInferRequest, call: CallSetting): Promise<readonly ModelStreamInferResponse[]>;
  close(): void;
}
