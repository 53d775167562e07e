/*
 * Layers: index -> api-keys, chat -> http -> internal, errors, secret. The emulator shares no code with the clients, so
 * that it can disagree with them. Rotation gets the key manager and verifier that it calls by interface.
 */

const folder = (name) => `^src/${name}/`;
const library = (name) => `(^|/)node_modules/${name}/`;

/** Everything that the files of a folder may import, besides each other. Type imports count. */
const folders = {
  errors: [folder('internal')],
  secret: [folder('internal')],
  internal: [],
  http: [folder('errors'), folder('secret'), folder('internal'), library('ky'), library('zod')],
  'api-keys': [folder('errors'), folder('secret'), folder('internal'), folder('http'), library('zod')],
  chat: [
    folder('errors'),
    folder('secret'),
    folder('internal'),
    folder('http'),
    library('eventsource-parser'),
    library('@standard-schema/spec'),
    library('zod'),
  ],
  emulator: [folder('secret'), folder('internal'), library('hono'), library('zod')],
  rotation: [folder('errors'), folder('secret'), folder('internal')],
  node: [folder('errors'), folder('internal'), folder('http')],
};

/** The files that need Node. Everything else runs wherever there is `fetch`. */
const nodeEmulator = '^src/emulator/(node|cli)\\.ts$';
const nodeStores = '^src/rotation/stores/(file|kubernetes[a-z-]*)\\.ts$';
const nodeTransport = folder('node');
const nodeOnly = [nodeEmulator, nodeStores, nodeTransport];
/** The one file that needs msw. */
const mswOnly = '^src/emulator/msw\\.ts$';
/** Script, style and markup of the emulator's dashboard. */
const browser = folder('emulator/dashboard');
const index = '^src/index\\.ts$';
const entries = [
  '^src/(index|(api-keys|chat|errors|node|secret|emulator|rotation)/index)\\.ts$',
  '^src/emulator/(msw|node|cli)\\.ts$',
  '^src/rotation/stores/(dynamodb|file|kubernetes|postgres|redis|testing)\\.ts$',
];
const known = [index, ...Object.keys(folders).map(folder)];

const folderRules = Object.entries(folders).map(([name, allowed]) => ({
  name: `${name}-imports`,
  comment: `src/${name} may import only what the table in .ci/dependency-cruiser.mjs allows it`,
  severity: 'error',
  from: { path: folder(name), pathNot: [...nodeOnly, mswOnly] },
  to: { pathNot: [folder(name), ...allowed] },
}));

export default {
  forbidden: [
    ...folderRules,
    {
      name: 'http-zod-types-only',
      comment: 'schemas belong to the clients, which pass them to src/http',
      severity: 'error',
      from: { path: folder('http') },
      to: { path: library('zod'), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'index-imports',
      comment: 'the entry point repeats what the index of a folder exports, and has nothing of its own',
      severity: 'error',
      from: { path: index },
      to: { pathNot: '^src/(api-keys|chat|errors|rotation|secret)/index\\.ts$' },
    },
    {
      name: 'emulator-node-imports',
      comment: 'what needs Node puts the emulator on a socket, and nothing else',
      severity: 'error',
      from: { path: nodeEmulator },
      to: {
        pathNot: [folder('emulator'), folder('secret'), folder('internal'), library('zod')],
        dependencyTypesNot: ['core'],
      },
    },
    {
      name: 'emulator-msw-imports',
      comment: 'the handlers put the emulator behind msw, and nothing else',
      severity: 'error',
      from: { path: mswOnly },
      to: { pathNot: [folder('emulator'), library('msw')] },
    },
    {
      name: 'no-msw',
      comment: 'msw is installed only where its handlers are used',
      severity: 'error',
      from: { path: '^src/', pathNot: mswOnly },
      to: { path: [library('msw'), mswOnly] },
    },
    {
      name: 'rotation-node-imports',
      comment: 'a store of Node may import what the others may, and modules of Node',
      severity: 'error',
      from: { path: nodeStores },
      to: { pathNot: [folder('rotation'), ...folders.rotation], dependencyTypesNot: ['core'] },
    },
    {
      name: 'node-imports',
      comment: 'the transport of Node may import what it implements, and modules of Node',
      severity: 'error',
      from: { path: nodeTransport },
      to: { pathNot: [nodeTransport, ...folders.node], dependencyTypesNot: ['core'] },
    },
    {
      name: 'page-stands-alone',
      comment: 'what runs in a browser has nothing of what runs behind it',
      severity: 'error',
      from: { path: browser },
      to: { pathNot: browser },
    },
    {
      name: 'page-as-text',
      comment: 'what runs in a browser leaves its folder as text only',
      severity: 'error',
      from: { path: '^src/', pathNot: [browser, '^src/emulator/dashboard\\.ts$'] },
      to: { path: browser },
    },
    {
      name: 'no-node-builtins',
      comment: 'everything but the files of Node has to run where there is none',
      severity: 'error',
      from: { path: '^src/', pathNot: nodeOnly },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-node-files',
      comment: 'what has to run without Node cannot load what needs it',
      severity: 'error',
      from: { path: '^src/', pathNot: nodeOnly },
      to: { path: nodeOnly },
    },
    {
      name: 'known-folders',
      comment: 'a new folder needs an entry in the table of .ci/dependency-cruiser.mjs',
      severity: 'error',
      from: { path: '^src/', pathNot: known },
      to: {},
    },
    {
      name: 'no-cycles',
      comment: 'files that need each other cannot be read, tested or replaced on their own',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'a file that no entry point reaches is never shipped',
      severity: 'error',
      from: { path: entries },
      to: { path: '^src/', pathNot: entries, reachable: false },
    },
    {
      name: 'no-dev-dependencies',
      comment: 'only what the build puts into the package may be a development dependency',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], pathNot: [library('hono'), library('msw')] },
    },
    {
      name: 'only-declared',
      comment: 'an import that does not resolve, or resolves only because something else installed it',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Sees imports that TypeScript erases too.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};
