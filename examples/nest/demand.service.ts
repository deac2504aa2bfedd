import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { ClientGrpc } from '@nestjs/microservices';
import { provenanceOf, type Source } from 'failsoft';
import { firstValueFrom, type Observable } from 'rxjs';
import type { InferRequest, InferResponse } from './messages.js';

export const DEMAND_CLIENT = Symbol('DEMAND_CLIENT');

interface InferenceService {
  modelInfer(request: InferRequest): Observable<InferResponse>;
}

export interface Demand {
  readonly level: number;
  readonly source: Source;
}

@Injectable()
export class DemandService implements OnModuleInit {
  #inference: InferenceService | undefined;

  constructor(@Inject(DEMAND_CLIENT) private readonly client: ClientGrpc) {}

  onModuleInit(): void {
    this.#inference = this.client.getService<InferenceService>('GRPCInferenceService');
  }

  async demand(features: readonly number[]): Promise<Demand> {
    if (this.#inference === undefined) throw new Error('the module is not initialised');
    const contents = { fp32Contents: [...features] };
    const input = { name: 'features', datatype: 'FP32', shape: [1, features.length], contents };
    const answer = await firstValueFrom(
      this.#inference.modelInfer({ modelName: 'demand-large', inputs: [input] }),
    );
    const [level = 0] = answer.outputs[0]?.contents.int64Contents ?? [];
    return { level, source: provenanceOf(answer).source };
  }
}
