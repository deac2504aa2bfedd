import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFileRegistry, type DescEnum, type DescMessage, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The names and numbers that the servers' own protos have: by message and enum each field or value with its number, by service each
 * method with its types. Read from the descriptors of tensorflow-serving-api 2.21 and tritonclient 2.73 (Python), and, for the
 * messages that those do not carry, from the .proto files of TensorFlow, TorchServe and the Open Inference Protocol.
 */
const published: Record<string, Record<string, number | string>> = JSON.parse(
  readFileSync(join(root, 'test/protos/published.json'), 'utf8'),
);

const set = execFileSync(
  join(root, 'node_modules/.bin/buf'),
  ['build', 'protos', '--as-file-descriptor-set', '-o', '-'],
  { cwd: root, maxBuffer: 1 << 24 },
);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, set));
const OURS = /^(tensorflow|inference|org\.pytorch)\b/;
const types = [...registry].filter((type) => OURS.test(type.typeName));
const messages = types.filter((type): type is DescMessage => type.kind === 'message');
const enums = types.filter((type): type is DescEnum => type.kind === 'enum');
const services = types.flatMap((type) => (type.kind === 'service' ? [type] : []));

const numbersOf = (type: DescMessage | DescEnum) =>
  Object.fromEntries(
    type.kind === 'message'
      ? type.fields.map(({ name, number }) => [name, number])
      : type.values.map(({ name, number }) => [name, number]),
  );

describe('the protos of model servers', () => {
  it('are found', () => {
    expect(messages.length).toBeGreaterThan(80);
    expect(enums.length).toBeGreaterThan(6);
  });

  it.each([...messages, ...enums].map((type) => [type.typeName, type] as const))(
    '%s has published names and numbers',
    (name, type) => {
      const ours = numbersOf(type);
      if (Object.keys(ours).length === 0) return;
      expect(published[name]).toMatchObject(ours);
    },
  );

  it.each(services.map((service) => [service.typeName, service] as const))(
    '%s has published methods',
    (name, service) => {
      const ours = service.methods.map(({ name: method, input, output, methodKind }) => {
        const streamed = /server_streaming|bidi/.test(methodKind) ? 'stream ' : '';
        return [method, `${input.typeName} > ${streamed}${output.typeName}`];
      });
      expect(published[name]).toMatchObject(Object.fromEntries(ours));
    },
  );
});
