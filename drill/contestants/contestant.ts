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
  /** A description, and the source of its set-up. */
  readonly about: string;
  open(setting: Setting): Caller;
}

/** The setting that every contestant gets. */
export interface Setting {
  readonly target: string;
  readonly credentials: ChannelCredentials;
  /** The options of its client: round_robin where there are several servers. */
  readonly options: ClientOptions;
  /** Notes the calls that are sent to the primary. It must be the last of the client's interceptors, next to the network. */
  readonly sent: Interceptor;
  /** The time that callers give a call. */
  readonly deadlineMs: number;
  /** The fallback, the same for all contestants that can have one. */
  readonly fallback: Fallback;
  /** The contestant calls it whenever a breaker changes its state. */
  readonly report: (state: BreakerState) => void;
}

export type BreakerState = 'closed' | 'open' | 'half-open' | 'recovering';

/** The fallbacks, which answer when the primary does not. */
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
