// Writes the descriptors of all services of the mock server to src/gen/descriptors.ts (or the file named by the first
// argument), for gRPC reflection. Part of: npm run generate
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BinaryReader } from '@bufbuild/protobuf/wire';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The folders of protos/ that the mock server serves; of the others it only knows what users import. */
const SERVED = ['failsoft/mock', 'google', 'inference'];
/** The health package's own descriptors, made at run time, have map entries that strict clients refuse. */
const SOURCES: readonly (readonly [source: string, folders: readonly string[]])[] = [
  ['protos', SERVED],
  ['node_modules/grpc-health-check/proto', []],
];

const directory = mkdtempSync(join(tmpdir(), 'failsoft-descriptors-'));
try {
  const files = SOURCES.flatMap(([source, folders]) =>
    splitSet(build(source, folders, join(directory, 'set.binpb'))),
  );
  const lines = [
    '// Written by scripts/emit-descriptors.ts from protos/ and grpc-health-check. DO NOT EDIT.',
    '',
    '/** Each file of protos/ and grpc.health.v1, and each that they import, as a serialized FileDescriptorProto in base64. */',
    'export const FILE_DESCRIPTORS: readonly string[] = [',
    ...files.map((file) => `  "${Buffer.from(file).toString('base64')}",`),
    '];',
    '',
  ];
  writeFileSync(process.argv[2] ?? join(root, 'src/gen/descriptors.ts'), lines.join('\n'));
} finally {
  rmSync(directory, { recursive: true });
}

function build(source: string, folders: readonly string[], path: string): Uint8Array {
  const args = ['build', source, '--as-file-descriptor-set', '--exclude-source-info', '-o', path];
  for (const folder of folders) args.push('--path', `${source}/${folder}`);
  const buf = join(root, 'node_modules/.bin/buf');
  execFileSync(buf, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  return readFileSync(path);
}

/** A FileDescriptorSet is `repeated FileDescriptorProto file = 1`. */
function splitSet(set: Uint8Array): Uint8Array[] {
  const reader = new BinaryReader(set);
  const files: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) files.push(reader.bytes());
    else reader.skip(wireType);
  }
  return files;
}
