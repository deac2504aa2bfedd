// node exports.mjs SPECIFIER...: imports and requires each; both must give the same names, from a build of their own.
import { createRequire } from 'node:module';

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
