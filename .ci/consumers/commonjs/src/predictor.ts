import { type ClientOptions, credentials, Metadata } from '@grpc/grpc-js';
import {
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  type Guard,
  provenanceOf,
  type Source,
} from 'failsoft';
import {
  GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
  type ModelInferRequest,
} from 'failsoft/protos/oip';
import { demandRequest, majorityAnswer } from 'failsoft/testing';

/** As Nest's `@Injectable()`: the compiler writes the types of the constructor's parameters into the code. */
export const Injectable = (): ClassDecorator => () => undefined;

@Injectable()
export class Guards {
  readonly guard: Guard = createGuard({
    fallbacks: new FallbackRegistry().register(GRPCInferenceServiceService.modelInfer, [
      defaultPrediction((request: ModelInferRequest) => majorityAnswer(request)),
    ]),
  });
}

@Injectable()
export class Predictor {
  readonly #client: GRPCInferenceServiceClient;

  constructor(
    readonly guards: Guards,
    address: string,
  ) {
    const options: ClientOptions = { interceptors: [guards.guard.interceptor] };
    this.#client = new GRPCInferenceServiceClient(address, credentials.createInsecure(), options);
  }

  /** Where the answer came from. */
  predict(features: readonly number[]): Promise<Source> {
    return new Promise((resolve, reject) => {
      let source: Source = 'primary';
      const request = demandRequest('demand-small', features);
      const options = { deadline: Date.now() + 30_000, failsoft: { key: 'mine' } };
      this.#client
        .modelInfer(request, new Metadata(), options, (error) => (error ? reject(error) : resolve(source)))
        .on('metadata', (metadata) => {
          source = provenanceOf(metadata).source;
        });
    });
  }

  close(): void {
    this.#client.close();
    this.guards.guard.close();
  }
}
