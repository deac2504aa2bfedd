// Who may import whom: the table "The rooms" of docs/architecture.md, checked by `npm run deps`.
// A type-only import is an import: it ties two rooms together as a value does.

const LEAVES = '^src/(errors|checks|clock|text|thenable|abort-reason|channel-state)\\.ts$';
const OUTCOME = '^src/classify/outcome\\.ts$';

const { dependencies, peerDependenciesMeta } = require('./package.json');
const { compilerOptions } = require('./tsconfig.json');
/** The source of each entry point: the paths of tsconfig.json, from which `npm run build` takes them too. */
const ENTRY_POINTS = Object.values(compilerOptions.paths).map(
  ([source]) => `^${source.replace('./', '').replace('.', '\\.')}$`,
);
/** The folders that only the users of their entry point load. */
const BEHIND_AN_ENTRY_POINT = ENTRY_POINTS.filter((path) =>
  /\/index/.test(path.replace('^src/index', '')),
).map((path) => path.replace(/index.*$/, ''));
/** What everyone who installs failsoft has. */
const ALWAYS_INSTALLED = ['@grpc/grpc-js', ...Object.keys(dependencies)].map(
  (name) => `^node_modules/${name}/`,
);
const OPTIONAL_PEERS = Object.keys(peerDependenciesMeta).map((name) => `^node_modules/${name}/`);

/** A room may import itself, the leaves, and what is listed. `within`: rooms inside it that have a rule of their own. */
function room(name, mayImport, why, within = []) {
  const itself = `^src/${name}/`;
  return {
    name: `${name.replace('/', '-')}-imports`,
    comment: why,
    severity: 'error',
    from: { path: itself, pathNot: within },
    to: { path: '^src/', pathNot: [itself, LEAVES, ...mayImport] },
  };
}

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Modules that need each other are one module, or lack a third. Type-only imports count.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'A path that leads nowhere would escape every other rule.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'leaves-import-leaves',
      comment: 'Everything may import the leaves, so they import nothing but each other.',
      severity: 'error',
      from: { path: LEAVES },
      to: { path: '^src/', pathNot: [LEAVES] },
    },
    room(
      'circuit',
      [OUTCOME, '^src/telemetry/events\\.ts$'],
      'The state machine is pure: it knows what an outcome is and what it tells, nothing of gRPC or of who uses it.',
    ),
    {
      name: 'circuit-is-pure',
      comment: 'No gRPC, no timers, no I/O in the state machine: its tests need no server and no sleep.',
      severity: 'error',
      from: { path: '^src/circuit/' },
      to: { pathNot: ['^src/'] },
    },
    room('classify', [], 'An outcome depends on the status and the messages alone.'),
    room(
      'telemetry/dashboard',
      [
        '^src/circuit/types\\.ts$',
        '^src/guard/guard-options\\.ts$',
        '^src/telemetry/[^/]+\\.ts$',
        '^src/key/circuit-key\\.ts$',
        '^src/gen/dashboard/',
      ],
      'The page reads a guard through its public face; it is never on the way of a call.',
    ),
    {
      name: 'page-runs-in-browsers',
      comment: 'The logic of the page is compiled into its script: nothing of Node is there.',
      severity: 'error',
      from: { path: '^src/telemetry/dashboard/(view|browser)/' },
      to: {
        path: '^(src/|node:|[a-z_/]+$)',
        pathNot: [
          '^src/telemetry/dashboard/(view|browser)/',
          '^src/key/circuit-key\\.ts$',
          // types alone
          '^src/(circuit/types|guard/guard-options)\\.ts$',
        ],
      },
    },
    room(
      'telemetry',
      ['^src/circuit/types\\.ts$', OUTCOME],
      'An event says which state a circuit went to, and how a call ended: the words, not the machine.',
      ['^src/telemetry/dashboard/'],
    ),
    room(
      'key',
      ['^src/telemetry/'],
      'A key is made from the call alone. A request that names no model is reported as a warning.',
    ),
    room(
      'engines',
      ['^src/circuit/', OUTCOME, '^src/telemetry/'],
      'An engine makes circuits; it knows neither keys nor calls. An adapter passes on outcomes and tells events.',
    ),
    room(
      'status',
      ['^src/circuit/types\\.ts$', '^src/fallback/strategy\\.ts$', '^src/gen/google/', '^src/telemetry/'],
      'The one codec of grpc-status-details-bin; what a rejection and a label look like on the wire.',
    ),
    room(
      'fallback',
      [
        '^src/key/',
        '^src/circuit/(types|index|environment)\\.ts$',
        OUTCOME,
        // A secondary model has a circuit of its own, so it needs what makes one and what judges its answers.
        '^src/engines/(engine|native)\\.ts$',
        '^src/classify/',
        '^src/telemetry/',
        // Whether a call was rejected, how long a server wants to be left alone, how an answer is labelled.
        '^src/status/',
        // Stored answers are protobuf messages.
        '^src/gen/google/',
        // A secondary's client gives statuses too: they are made good where they come in.
        '^src/status/normal-status\\.ts$',
      ],
      'A strategy answers in place of the primary. It never reaches into the interceptor or the machine of a circuit.',
    ),
    room(
      'recovery',
      ['^src/circuit/types\\.ts$', '^src/classify/', '^src/key/', '^src/telemetry/'],
      'Readiness checks and synthetic probes ask servers of open circuits; they know a circuit by its words.',
    ),
    room(
      'guard',
      [
        '^src/(call|status|key|classify|fallback|recovery|telemetry)/',
        '^src/engines/(engine|native)\\.ts$',
        '^src/circuit/(types|index)\\.ts$',
      ],
      'createGuard, the settings of methods, the circuits by key: of the circuit only its words, never the inside.',
    ),
    room(
      'call',
      [
        '^src/(status|key|classify|fallback|telemetry)/',
        // What a guard gives the calls of one method.
        '^src/guard/(call-options|circuit-registry|method-settings|report-probe|usual-latency)\\.ts$',
        '^src/circuit/(types|index)\\.ts$',
      ],
      'The way of a call uses what a guard has prepared for its method, and never the guard itself.',
    ),
    room(
      'testing',
      ['^src/gen/'],
      'The mock server is a server: it must not lean on the code that it tests.',
    ),
    room(
      'adapters',
      [
        '^src/call/neutral/',
        '^src/guard/(guard-options|call-options)\\.ts$',
        '^src/circuit/types\\.ts$',
        '^src/(classify|key|status)/',
        '^src/fallback/(strategy|messages)\\.ts$',
        '^src/telemetry/warnings\\.ts$',
      ],
      'An adapter makes the calls of one library; all that it needs of a guard is its public interface.',
    ),
    room('oip', ['^src/gen/inference/'], 'Tensors and messages: no gRPC, nothing of the guard.'),
    room('protos', ['^src/gen/'], 'Definitions of services that a proto file cannot hold beside another.'),
    room('gen', [], 'Generated from protos/.'),
    {
      name: 'core-loads-no-entry-point',
      comment:
        'Who imports failsoft must not load what they do not use: the other entry points are for their users alone.',
      severity: 'error',
      from: { path: '^src/', pathNot: BEHIND_AN_ENTRY_POINT },
      to: { path: BEHIND_AN_ENTRY_POINT },
    },
    {
      name: 'peers-stay-behind-entry-points',
      comment:
        'The core needs what is always installed; every other package is optional, behind its own entry point.',
      severity: 'error',
      from: { path: '^src/', pathNot: BEHIND_AN_ENTRY_POINT },
      // Types too: a declaration that names a package which is not installed does not compile.
      to: { path: '^node_modules/', pathNot: [...ALWAYS_INSTALLED, '^node_modules/@types/node/'] },
    },
    {
      name: 'source-needs-what-is-declared',
      comment: 'A development dependency is not there for users.',
      severity: 'error',
      // uPlot is a text in the page's assets, with its licence
      from: { path: '^src/', pathNot: '^src/telemetry/dashboard/browser/' },
      to: {
        path: '^node_modules/',
        pathNot: [...ALWAYS_INSTALLED, ...OPTIONAL_PEERS, '^node_modules/@types/'],
      },
    },
    {
      name: 'grpc-stays-out-of-the-machine',
      comment: 'grpc-js is known to the rooms that touch calls, not to the circuit or its engines.',
      severity: 'error',
      from: { path: '^src/(circuit|engines|telemetry)/' },
      to: { path: '^node_modules/@grpc/' },
    },
    {
      name: 'examples-use-the-public-surface',
      comment: 'What an example shows, a user can write.',
      severity: 'error',
      from: { path: '^examples/' },
      to: { path: '^src/', pathNot: ENTRY_POINTS },
    },
    {
      name: 'source-stands-alone',
      comment: 'src/ is what is published.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|examples|bench|scripts)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'default'] },
  },
};
