// node exports.mjs SPECIFIER...: imports and requires each; both must give the same names, from a build of their own.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const namesOf = (module) =>
  Object.keys(module)
    .filter((name) => name !== 'default' && name !== '__esModule')
    .sort();

for (const specifier of process.argv.slice(2)) {
  const [imported, required] = [await import(specifier), require(specifier)];
  if (namesOf(imported).length === 0) throw new Error(`${specifier} exports nothing`);
  if (String(namesOf(imported)) !== String(namesOf(required)))
    throw new Error(`${specifier}: import and require differ`);
  if (!require.resolve(specifier).endsWith('.cjs'))
    throw new Error(`${specifier}: require loads an ES module`);
  console.log(specifier, namesOf(imported).length, 'exports');
}

// The .proto files, for tools that make clients of them.
for (const file of ['inference/grpc_service.proto', 'tensorflow_serving/apis/prediction_service.proto']) {
  const path = require.resolve(`failsoft/protos/${file}`);
  if (fileURLToPath(import.meta.resolve(`failsoft/protos/${file}`)) !== path)
    throw new Error(`${file}: import and require differ`);
  if (!readFileSync(path, 'utf8').includes('syntax = "proto3"')) throw new Error(`${path} is no proto file`);
}
