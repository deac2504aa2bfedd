import 'reflect-metadata';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import { provenanceOf } from 'failsoft';
import { firstValueFrom, type Observable } from 'rxjs';
import type { Library } from '../library.js';
import { protoLoader } from './proto-loader.js';

const protos = fileURLToPath(new URL('../../../protos', import.meta.url));

interface Inference {
  modelInfer(request: object): Observable<{
    readonly outputs: readonly { readonly contents: { readonly fp32_contents: readonly number[] } }[];
  }>;
}

export const nest: Library = {
  ...protoLoader,
  name: 'NestJS',
  packages: ['@nestjs/microservices', '@grpc/proto-loader'],
  attached:
    '`channelOptions: { interceptors: [guard.interceptor] }` ([example](../examples/nest/app.module.ts))',
  lines: 1,
  connect: (url, guard) => {
    const client = ClientProxyFactory.create({
      transport: Transport.GRPC,
      options: {
        package: 'inference',
        protoPath: join(protos, 'inference/grpc_service.proto'),
        loader: { includeDirs: [protos], keepCase: true },
        url,
        channelOptions: { interceptors: [guard.interceptor] },
      },
    });
    const inference = client.getService<Inference>('GRPCInferenceService');
    return {
      ask: async (value) => {
        const inputs = [{ name: 'x', datatype: 'FP32', shape: [1], contents: { fp32_contents: [value] } }];
        const response = await firstValueFrom(inference.modelInfer({ model_name: 'm', inputs }));
        const [answer = NaN] = response.outputs[0]?.contents.fp32_contents ?? [];
        return { answer, source: provenanceOf(response).source };
      },
      close: () => client.close(),
    };
  },
};
