import type { Server } from '@grpc/grpc-js';
import { FailsoftError } from '../../errors.js';
import { FILE_DESCRIPTORS } from '../../gen/descriptors.js';

/** Sets the state that grpc.health.v1 reports for a service or model. */
export type SetHealth = (service: string, serving: boolean) => void;

/**
 * Adds grpc.health.v1 and gRPC reflection to a server.
 * @throws FailsoftError FAILSOFT_UNSUPPORTED where one of their packages, optional peers of failsoft, is not installed
 */
export async function addHealthAndReflection(server: Server): Promise<SetHealth> {
  const { HealthImplementation } = await optional('grpc-health-check', () => import('grpc-health-check'));
  const { ReflectionService } = await optional('@grpc/reflection', () => import('@grpc/reflection'));
  const health = new HealthImplementation();
  health.addToServer(server);
  // Reflection reads only the descriptors.
  const files = {
    format: 'Protocol Buffer 3 DescriptorProto' as const,
    type: {},
    fileDescriptorProtos: FILE_DESCRIPTORS.map((file) => Buffer.from(file, 'base64')),
  };
  new ReflectionService({ files }).addToServer(server);
  return (name, serving) => health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
}

/** Imports an optional peer. @throws FailsoftError naming the peer that is missing */
export async function optional<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const install = 'npm install --save-dev grpc-health-check @grpc/reflection';
    const message = `the mock inference server needs the package ${name}: ${install}`;
    throw new FailsoftError('FAILSOFT_UNSUPPORTED', message, { cause });
  }
}
