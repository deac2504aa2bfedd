import { type DynamicModule, Global, Module } from '@nestjs/common';
import { ClientsModule, type GrpcOptions, Transport } from '@nestjs/microservices';
import { DEMAND_CLIENT, DemandService } from './demand.service.js';
import { LOADER, ModelGuard, PROTO } from './model-guard.js';

/** Owns the guard. The module is global, so that the factories of all ClientsModules can inject the guard. */
@Global()
@Module({ providers: [ModelGuard], exports: [ModelGuard] })
export class GuardModule {}

/** The application. Its imports have everything that it needs to call the model. */
@Module({})
export class AppModule {}

/** @param url the model server, `host:port` */
export function appModule(url: string): DynamicModule {
  const client = {
    name: DEMAND_CLIENT,
    inject: [ModelGuard],
    useFactory: ({ channelOptions }: ModelGuard): GrpcOptions => ({
      transport: Transport.GRPC,
      options: { package: 'inference', protoPath: PROTO, loader: LOADER, url, channelOptions },
    }),
  };
  return {
    module: AppModule,
    imports: [GuardModule, ClientsModule.registerAsync([client])],
    providers: [DemandService],
  };
}
