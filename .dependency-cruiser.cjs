// Which part may import which (docs: design.md §5). Each rule's comment says what to do instead.

/** What each lib may import of ours; a service may import every lib. Arrows point one way. */
const foundation = ['config', 'observability', 'contracts'];
const libImports = {
  contracts: [],
  config: ['contracts'],
  observability: ['contracts'],
  http: foundation,
  postgres: foundation,
  kafka: foundation,
  outbox: ['postgres', 'kafka', ...foundation],
  gate: ['kafka', ...foundation],
  'connector-runtime': ['gate', 'outbox', 'postgres', 'kafka', 'http', ...foundation],
};

/** Decisions without I/O, clock or randomness. Files with these names, and those listed below, stay pure. */
const pureFiles = [
  '/(decide|plan|next-step|[^/]+-step|track|lag|vector)\\.ts$',
  '^libs/postgres/src/session-settings\\.ts$',
  '^libs/http/src/body/json-limits\\.ts$',
  '^libs/http/src/problems/refusal\\.ts$',
  '^libs/gate/src/step/',
  '^libs/connector-runtime/src/delivery-step/',
  '^services/consent/src/ledger/(vector-access|grant-rules|evidence-rules|transition|decide-for)\\.ts$',
  '^services/consent/src/identity/(circles|decide-links|vector-merge)\\.ts$',
  '^services/consent/src/(expiry/expired-vector|erasure/decide-erasure|restore/(decide-restore|restored-vector|restored-catalogue|coverage))\\.ts$',
  '^services/consent/src/catalogue/consistency\\.ts$',
  '^libs/http/src/auth/auth-refusals\\.ts$',
  '^libs/config/src/convert\\.ts$',
  '^services/analytics-connector/src/consent-properties\\.ts$',
  '^services/ad-partner-connector/src/audience-removals\\.ts$',
  '^services/ops/src/tracker/backlog-pace\\.ts$',
];

const specs = '\\.(it-|e2e-|interop-)?spec\\.ts$';
/** Suites that the specs of one service share. */
const suitesOfServices = '^services/[^/]+/src/testing/';
const anySource = '^(libs|services|deploy|test)/';

const libArrows = Object.entries(libImports).map(([lib, allowed]) => ({
  name: `arrow-${lib}`,
  severity: 'error',
  comment:
    `libs/${lib} may import ${allowed.length === 0 ? 'no other lib' : allowed.join(', ')}. Move the shared idea down ` +
    'to a lib both may import, or pass it in as an argument.',
  from: { path: `^libs/${lib}/src/`, pathNot: specs },
  to: { path: '^libs/', pathNot: [`^libs/${lib}/`, ...allowed.map((name) => `^libs/${name}/`)] },
}));

module.exports = {
  forbidden: [
    {
      name: 'no-cycle',
      severity: 'error',
      comment: 'Two files that need each other are one idea, or hide a third: move what both need into its own file.',
      from: { path: anySource },
      to: { circular: true },
    },
    {
      name: 'service-imports-service',
      severity: 'error',
      comment: 'Services meet at topics, HTTP APIs and libs/contracts. Put the shared shape into libs/contracts.',
      from: { path: '^services/([^/]+)/' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'lib-by-its-index',
      severity: 'error',
      comment:
        'A lib has one door: import @entente/<lib>, and export what you need from its index.ts. Only the simulation goes ' +
        'behind it: it runs the insides under virtual time.',
      from: { path: '^(libs|services|deploy|test)/([^/]+)/', pathNot: '^test/sim/' },
      to: {
        path: '^libs/[^/]+/src/',
        pathNot: [
          '^$1/$2/',
          '^libs/[^/]+/src/index\\.ts$',
          '^libs/(connector-runtime|http)/src/testing/index\\.ts$',
          '^libs/kafka/src/nest/index\\.ts$',
        ],
      },
    },
    {
      name: 'testing-door-for-specs',
      severity: 'error',
      comment:
        '@entente/connector-runtime/testing is the contract suite for specs, @entente/http/testing judges answers in them; ' +
        'production code uses the main doors.',
      from: {
        path: '^(libs|services|deploy)/',
        pathNot: [specs, '^libs/(connector-runtime|http)/src/testing/', suitesOfServices],
      },
      to: { path: '^libs/(connector-runtime|http)/src/testing/' },
    },
    {
      name: 'embedded-without-nest',
      severity: 'error',
      comment:
        'A platform team embeds the gate in a service of its own (GATE-7): what it needs brings no framework and no database. ' +
        'What is for Nest stands behind @entente/kafka/nest.',
      from: { path: '^libs/(gate|kafka|observability|contracts)/src/', pathNot: [specs, '^libs/kafka/src/nest/'] },
      to: {
        path: 'node_modules/(@nestjs|rxjs|typeorm|pg|class-validator|class-transformer|fastify)/|^libs/kafka/src/nest/',
      },
    },
    {
      name: 'partner-imports-partner',
      severity: 'error',
      comment:
        'A partner is one folder that touches no other; what two of them share belongs to libs/connector-runtime.',
      from: { path: '^services/([^/]+)/src/partners/([^/]+)/' },
      to: { path: '^services/[^/]+/src/partners/[^/]+/', pathNot: '^services/$1/src/partners/$2/' },
    },
    {
      name: 'pure-stays-pure',
      severity: 'error',
      comment:
        'This file decides and does nothing else: it may import types, @entente/contracts and other pure files. ' +
        'Take the value (time, randomness, a row) as an argument and act in the shell beside it; ' +
        'if the imported file is pure too, list it in pureFiles.',
      from: { path: pureFiles, pathNot: specs },
      to: { pathNot: ['^libs/contracts/src/', ...pureFiles], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'kafkajs-in-one-place',
      severity: 'error',
      comment:
        'Use the ports of @entente/kafka: the hardening of kafkajs lives there, and so would a change of client. The ' +
        'benchmarks use it bare, as the limit that the client itself sets, and the fault runs as a stranger in our groups.',
      from: { path: anySource, pathNot: ['^(libs/kafka|test/bench)/', '^test/faults/run/faults/groups\\.ts$'] },
      to: { path: 'node_modules/kafkajs/' },
    },
    {
      name: 'pg-in-one-place',
      severity: 'error',
      comment:
        'Use createPool, createClient and inTransaction of @entente/postgres; its types are re-exported there. ' +
        '(The infrastructure modules start servers and make databases before any schema exists.)',
      from: {
        path: anySource,
        pathNot: ['^libs/postgres/', '^deploy/local/src/infrastructure/', '^test/support/src/infrastructure\\.ts$'],
      },
      to: { path: 'node_modules/(pg|pg-[^/]+)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'typeorm-in-one-place',
      severity: 'error',
      comment:
        'Wiring belongs to @entente/postgres (createDataSource, migrate); only entities and migrations import typeorm.',
      from: { path: anySource, pathNot: ['^libs/postgres/', '\\.entity\\.ts$', '/migrations/'] },
      to: { path: 'node_modules/(typeorm|@nestjs/typeorm)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'gate-is-embeddable',
      severity: 'error',
      comment: 'Platform teams embed libs/gate (GATE-7): no Nest, TypeORM, Postgres or web framework may come with it.',
      from: { path: '^libs/gate/src/', pathNot: specs },
      to: { path: 'node_modules/(@nestjs|typeorm|pg|fastify|class-validator|class-transformer)/' },
    },
    {
      name: 'libs-below-services',
      severity: 'error',
      comment:
        'Libs and services know nothing of deployment and tests, and libs nothing of services: turn the arrow round.',
      from: { path: '^libs/', pathNot: specs },
      to: { path: '^(services|deploy|test)/' },
    },
    {
      name: 'services-below-deploy',
      severity: 'error',
      comment: 'Services know nothing of deployment and tests: take it from config, or move it to a lib.',
      from: { path: '^services/', pathNot: [specs, suitesOfServices] },
      to: { path: '^(deploy|test)/' },
    },
    {
      name: 'no-spec-imports',
      severity: 'error',
      comment: 'A spec is a leaf: move what is shared into a fixture file or test/support.',
      from: { path: anySource },
      to: { path: specs },
    },
    {
      name: 'no-dev-dependency-at-run-time',
      severity: 'error',
      comment: 'Production code runs without devDependencies: move the package to dependencies or the code to a spec.',
      from: { path: '^(libs|services)/', pathNot: [specs, '/testing/'] },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'This import leads nowhere: correct the path, or ask for the package in package.json.',
      from: { path: anySource },
      to: { couldNotResolve: true },
    },
    ...libArrows,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/|^services/ops/console/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'node', 'default', 'types'],
      mainFields: ['module', 'main', 'types'],
    },
    reporterOptions: { text: { highlightFocused: true } },
  },
};
