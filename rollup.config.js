// Makes dist/ from what tsc has compiled into .build/ (npm run build): for each entry point one bundle and one set of types, as
// an ES module and as CommonJS. Code that two entry points need stands once, in dist/shared/.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
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

/**
 * What every program loads that imports failsoft reads and writes three small messages (`grpc-status-details-bin`). The two classes
 * that it needs for them are built in: to load the package that has them takes three times as long as all of failsoft. All generated
 * code uses the same two, because a message of one file reads the messages of another with its own reader.
 */
const BUILT_IN = '@bufbuild/protobuf/wire';
const isBuiltIn = (id, importer) => id === BUILT_IN && /\.build\/gen\//.test(importer);

const options = {
  // All but our own files is installed beside failsoft, and not part of it.
  external: (id, importer) => !/^(\.|\/|[A-Z]:)/.test(id) && !isBuiltIn(id, importer),
  // No module of src/ does anything when it is loaded; what a bundle does not use, it does not import.
  treeshake: { moduleSideEffects: false },
  onwarn(warning, warn) {
    // The generated code imports a class that it needs only as a type. Any other warning fails the build (--failAfterWarnings).
    if (warning.code !== 'UNUSED_EXTERNAL_IMPORT') warn(warning);
  },
};

const isOurs = (id) => !id.includes('/node_modules/');

/** Reads what tsc left: code with the map to its TypeScript source, and JSON as data. */
const compilerOutput = {
  name: 'compiler-output',
  load: (id) =>
    isOurs(id) && id.endsWith('.js')
      ? { code: readFileSync(id, 'utf8'), map: JSON.parse(readFileSync(`${id}.map`, 'utf8')) }
      : null,
  transform: (code, id) => (id.endsWith('.json') ? { code: `export default ${code}`, map: null } : null),
};

/** Finds the file of what is built in, without the rest of its package. Its licence, with which it begins, stays with it. */
const builtIn = {
  name: 'built-in',
  resolveId: (id, importer) =>
    isBuiltIn(id, importer) ? fileURLToPath(new URL('binary-encoding.js', import.meta.resolve(id))) : null,
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
    plugins: [compilerOutput, builtIn],
    output: { ...code, ...names('.js'), format: 'es' },
  },
  {
    ...options,
    input: inputs(MODULES, '.js'),
    plugins: [compilerOutput, builtIn],
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
