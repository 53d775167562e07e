/*
 * Layers: index -> api-keys, chat -> http -> internal, errors, secret. The emulator shares no code with the clients, so
 * that tests against it reveal faults in the clients. Rotation defines interfaces for the clients that it calls.
 */

const folder = (name) => `^src/${name}/`;
const library = (name) => `(^|/)node_modules/${name}/`;

/** What the files in a folder may import in addition to each other, including types. */
const folders = {
  errors: [folder('internal')],
  secret: [folder('internal')],
  internal: [],
  http: [folder('errors'), folder('secret'), folder('internal'), library('zod')],
  'api-keys': [
    folder('errors'),
    folder('secret'),
    folder('internal'),
    folder('http'),
    library('ky'),
    library('zod'),
  ],
  chat: [
    folder('errors'),
    folder('secret'),
    folder('internal'),
    folder('http'),
    library('@standard-schema/spec'),
    library('zod'),
  ],
  emulator: [folder('secret'), folder('internal'), library('hono'), library('zod')],
  rotation: [folder('errors'), folder('secret'), folder('internal')],
  node: [folder('errors'), folder('internal'), folder('http')],
};

/** The files that require Node. All others run on every platform with `fetch`. */
const nodeEmulator = '^src/emulator/(node|cli)\\.ts$';
const nodeStores = '^src/rotation/stores/(file|kubernetes[a-z-]*)\\.ts$';
const nodeTransport = folder('node');
const nodeOnly = [nodeEmulator, nodeStores, nodeTransport];
/** The only file that requires msw. */
const mswOnly = '^src/emulator/msw\\.ts$';
/** The script, styles and markup of the emulator's dashboard. */
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
  comment: `src/${name} may import only what \`folders\` in .ci/dependency-cruiser.mjs allows`,
  severity: 'error',
  from: { path: folder(name), pathNot: [...nodeOnly, mswOnly] },
  to: { pathNot: [folder(name), ...allowed] },
}));

export default {
  forbidden: [
    ...folderRules,
    {
      name: 'http-zod-types-only',
      comment: 'src/http gets its schemas from the clients, so it may import only types from zod',
      severity: 'error',
      from: { path: folder('http') },
      to: { path: library('zod'), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'index-imports',
      comment: 'the main entry point only re-exports other entry points',
      severity: 'error',
      from: { path: index },
      to: { pathNot: '^src/(api-keys|chat|errors|rotation|secret)/index\\.ts$' },
    },
    {
      name: 'emulator-node-imports',
      comment: 'the server and the command may also import built-in modules of Node, but not hono',
      severity: 'error',
      from: { path: nodeEmulator },
      to: {
        pathNot: [folder('emulator'), folder('secret'), folder('internal'), library('zod')],
        dependencyTypesNot: ['core'],
      },
    },
    {
      name: 'emulator-msw-imports',
      comment: 'the msw handlers may import only the emulator and msw',
      severity: 'error',
      from: { path: mswOnly },
      to: { pathNot: [folder('emulator'), library('msw')] },
    },
    {
      name: 'no-msw',
      comment: 'msw is an optional peer dependency, so only its handlers may import it',
      severity: 'error',
      from: { path: '^src/', pathNot: mswOnly },
      to: { path: [library('msw'), mswOnly] },
    },
    {
      name: 'rotation-node-imports',
      comment: 'stores that require Node may also import built-in modules of Node',
      severity: 'error',
      from: { path: nodeStores },
      to: { pathNot: [folder('rotation'), ...folders.rotation], dependencyTypesNot: ['core'] },
    },
    {
      name: 'node-imports',
      comment: 'the Node transport may also import built-in modules of Node',
      severity: 'error',
      from: { path: nodeTransport },
      to: { pathNot: [nodeTransport, ...folders.node], dependencyTypesNot: ['core'] },
    },
    {
      name: 'page-stands-alone',
      comment: 'the dashboard runs in a browser, so it may import nothing from the rest of the package',
      severity: 'error',
      from: { path: browser },
      to: { pathNot: browser },
    },
    {
      name: 'page-as-text',
      comment: 'only dashboard.ts may import the dashboard, and only as text',
      severity: 'error',
      from: { path: '^src/', pathNot: [browser, '^src/emulator/dashboard\\.ts$'] },
      to: { path: browser },
    },
    {
      name: 'no-node-builtins',
      comment: 'only the files that require Node may import built-in modules of Node',
      severity: 'error',
      from: { path: '^src/', pathNot: nodeOnly },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-node-files',
      comment: 'files that run without Node must not import files that require it',
      severity: 'error',
      from: { path: '^src/', pathNot: nodeOnly },
      to: { path: nodeOnly },
    },
    {
      name: 'known-folders',
      comment: 'a new folder needs an entry in `folders` in .ci/dependency-cruiser.mjs',
      severity: 'error',
      from: { path: '^src/', pathNot: known },
      to: {},
    },
    {
      name: 'no-cycles',
      comment: 'files that import each other cannot be read, tested or replaced separately',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'a file that no entry point imports is never published',
      severity: 'error',
      from: { path: entries },
      to: { path: '^src/', pathNot: entries, reachable: false },
    },
    {
      name: 'no-dev-dependencies',
      comment: 'a development dependency may be imported only if the build bundles it',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], pathNot: [library('hono'), library('msw')] },
    },
    {
      name: 'only-declared',
      comment: 'every import must resolve to a declared dependency',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Includes imports that TypeScript removes.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};
