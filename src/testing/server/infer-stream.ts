import { type handleBidiStreamingCall, type ServerDuplexStream, status } from '@grpc/grpc-js';
import {
  InferParameter,
  type ModelInferRequest,
  ModelInferResponse,
  type ModelStreamInferResponse,
} from '../../gen/inference/grpc_service.js';
import type { StreamBreak } from '../faults/plan.js';
import { cancellation } from './cancellation.js';
import { type ErrorStatus, withoutTrailers } from './error-status.js';
import type { InferResult, ModelHost } from './model-host.js';
import type { ServerContext } from './server-context.js';
import { thrownStatus, toStatus } from './unary.js';
import { wait } from './wait.js';

type InferStream = ServerDuplexStream<ModelInferRequest, ModelStreamInferResponse>;

/** ModelStreamInfer: an answer per request, in order. */
export function streamHandler(
  server: ServerContext,
): handleBidiStreamingCall<ModelInferRequest, ModelStreamInferResponse> {
  return (call) => new InferStreamSession(server, call).run();
}

class InferStreamSession {
  readonly #server: ServerContext;
  readonly #call: InferStream;
  readonly #signal: AbortSignal;
  /** Triton's switch `triton_grpc_error`: an error ends the stream with its code, and is not sent in a message. */
  readonly #errorsEndStream: boolean;
  #answered = 0;
  /** The model of the last request; its faults apply to the end of the stream. */
  #host: ModelHost | undefined;
  /** The stream has ended, or hangs: no more answers are sent. */
  #over = false;

  constructor(server: ServerContext, call: InferStream) {
    this.#server = server;
    this.#call = call;
    this.#signal = cancellation(call);
    this.#errorsEndStream = call.metadata.get('triton_grpc_error').includes('true');
  }

  run(): void {
    let work = Promise.resolve();
    this.#call.on('data', (request: ModelInferRequest) => {
      // One item at a time: flow control slows a client that sends faster than the model works.
      this.#call.pause();
      work = work
        .then(() => (this.#over ? undefined : this.#item(request)))
        .catch((error: unknown) => this.#failItem(request, toStatus(error)))
        .finally(() => this.#call.resume());
    });
    this.#call.on('end', () => {
      void work.then(() => this.#finish());
    });
  }

  async #item(request: ModelInferRequest): Promise<void> {
    const host = this.#server.host(request.modelName, request.modelVersion);
    this.#host = host;
    const { stream } = host.faults;
    if (stream?.fault?.afterMessages === this.#answered) return this.#break(request, stream.fault);
    if (this.#answered > 0) await wait(this.#server.clock, stream?.gapMs ?? 0, this.#signal);
    await this.#settle(request, host, await host.run(request, this.#signal, this.#call.metadata));
  }

  /** Called when the client has sent all requests and got their answers. A fault after the last answer replaces the end. */
  #finish(): void {
    if (this.#over) return;
    const fault = this.#host?.faults.stream?.fault;
    if (fault && fault.kind !== 'error-message' && fault.afterMessages === this.#answered) this.#cut(fault);
    else this.#call.end();
  }

  #break(request: ModelInferRequest, fault: StreamBreak): void {
    if (fault.kind === 'error-message')
      this.#failItem(request, withoutTrailers({ code: status.INTERNAL, details: fault.message }));
    else this.#cut(fault);
  }

  #cut(fault: Exclude<StreamBreak, { kind: 'error-message' }>): void {
    switch (fault.kind) {
      case 'error':
        this.#end(withoutTrailers({ code: fault.code, details: fault.details ?? 'injected fault' }));
        break;
      case 'stall':
        this.#over = true;
        break;
      case 'drop':
        this.#over = true;
        this.#server.dropConnection(this.#call.getPeer());
        break;
    }
  }

  async #settle(request: ModelInferRequest, host: ModelHost, result: InferResult): Promise<void> {
    if (result.kind === 'response') this.#send({ errorMessage: '', inferResponse: result.response });
    else if (result.kind === 'responses') await this.#responses(request, host, result.responses);
    else if (result.kind === 'status') this.#failItem(request, result.status);
    else {
      this.#over = true;
      if (result.kind === 'drop') this.#server.dropConnection(this.#call.getPeer());
    }
  }

  /** All responses of a decoupled model to one request. */
  async #responses(
    request: ModelInferRequest,
    host: ModelHost,
    responses: AsyncIterable<ModelInferResponse>,
  ): Promise<void> {
    // Triton's switch: an empty response marks the end of the responses.
    const final = request.parameters.get('triton_enable_empty_final_response')?.boolParam === true;
    let first = true;
    try {
      for await (const response of responses) {
        const { stream } = host.faults;
        if (!first && stream?.fault?.afterMessages === this.#answered) this.#break(request, stream.fault);
        else if (!first) await wait(this.#server.clock, stream?.gapMs ?? 0, this.#signal);
        first = false;
        if (this.#over || this.#signal.aborted) return;
        this.#send({ errorMessage: '', inferResponse: final ? marked(response, false) : response });
      }
    } catch (error) {
      return this.#failItem(request, thrownStatus(host.name, error));
    }
    if (!final) return;
    const { modelName, modelVersion, id } = request;
    const empty = ModelInferResponse.fromPartial({ modelName, modelVersion, id });
    this.#send({ errorMessage: '', inferResponse: marked(empty, true) });
  }

  #failItem(request: ModelInferRequest, error: ErrorStatus): void {
    if (this.#errorsEndStream) this.#end(error);
    // The client finds the failed request by its id.
    else
      this.#send({
        errorMessage: error.details,
        inferResponse: ModelInferResponse.fromPartial({ id: request.id }),
      });
  }

  #send(response: ModelStreamInferResponse): void {
    if (this.#over || this.#signal.aborted) return;
    this.#answered++;
    this.#call.write(response);
  }

  #end(error: ErrorStatus): void {
    if (this.#over) return;
    this.#over = true;
    this.#call.emit('error', error);
  }
}

function marked(response: ModelInferResponse, final: boolean): ModelInferResponse {
  const parameter = InferParameter.fromPartial({ boolParam: final });
  return { ...response, parameters: new Map([...response.parameters, ['triton_final_response', parameter]]) };
}
