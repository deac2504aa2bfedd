// Makes dist/ from what tsc has compiled into .build/ (npm run build): for each entry point one bundle and one set of types, as
// an ES module and as CommonJS. Code that two entry points need stands once, in dist/shared/.
import { readFileSync } from 'node:fs';
import { dts } from 'rollup-plugin-dts';

const { compilerOptions } = JSON.parse(readFileSync('tsconfig.json', 'utf8'));
const compiled = (source) => source.replace(/^\.\/src\/(.*)\.ts$/, '.build/$1');

/** Name in dist/ -> compiled source, both without extension. */
const MODULES = Object.entries(compilerOptions.paths).map(([specifier, [source]]) => [
  specifier.replace(/^failsoft\/?/, '') || 'index',
  compiled(source),
]);
/** Run by node itself, so that no CommonJS program loads it. */
const EXECUTABLES = [['failsoft-mock-server', compiled('./src/testing/cli.ts')]];

const inputs = (modules, extension) =>
  Object.fromEntries(modules.map(([name, path]) => [name, path + extension]));

const names = (extension) => ({
  dir: 'dist',
  entryFileNames: `[name]${extension}`,
  chunkFileNames: ({ name }) => `shared/${name.replace(/\.d$/, '')}${extension}`,
});

const options = {
  // All but our own files is installed beside failsoft, and not part of it.
  external: (id) => !/^(\.|\/|[A-Z]:)/.test(id),
  // No module of src/ does anything when it is loaded; what a bundle does not use, it does not import.
  treeshake: { moduleSideEffects: false },
  onwarn(warning, warn) {
    // The generated code imports a class that it needs only as a type. Any other warning fails the build (--failAfterWarnings).
    if (warning.code !== 'UNUSED_EXTERNAL_IMPORT') warn(warning);
  },
};

/** Reads what tsc left: code with the map to its TypeScript source, and JSON as data. */
const compilerOutput = {
  name: 'compiler-output',
  load: (id) =>
    id.endsWith('.js')
      ? { code: readFileSync(id, 'utf8'), map: JSON.parse(readFileSync(`${id}.map`, 'utf8')) }
      : null,
  transform: (code, id) => (id.endsWith('.json') ? { code: `export default ${code}`, map: null } : null),
};

const code = {
  generatedCode: 'es2015',
  hoistTransitiveImports: false,
  minifyInternalExports: false,
  // With the text of the sources: src/ is not published.
  sourcemap: true,
};

export default [
  {
    ...options,
    input: inputs([...MODULES, ...EXECUTABLES], '.js'),
    plugins: [compilerOutput],
    output: { ...code, ...names('.js'), format: 'es' },
  },
  {
    ...options,
    input: inputs(MODULES, '.js'),
    plugins: [compilerOutput],
    output: {
      ...code,
      ...names('.cjs'),
      format: 'cjs',
      exports: 'named',
      interop: 'auto',
      // Jest runs CommonJS in a context that has no import().
      dynamicImportInCjs: false,
    },
  },
  {
    ...options,
    input: inputs(MODULES, '.d.ts'),
    plugins: [dts()],
    output: [
      { ...names('.d.ts'), format: 'es' },
      { ...names('.d.cts'), format: 'es' },
    ],
  },
];
