/*
 * Which way imports may run. Imports run down: errors, secret, wire <- transport <- api-keys, chat <- index.
 * The emulator stands apart: it takes no client and no schema of theirs, so that it can disagree with them.
 */

const folder = (name) => `^src/${name}/`;
const library = (name) => `(^|/)node_modules/${name}/`;

/** Everything that the files of a folder may import, besides each other. Type imports count. */
const folders = {
  errors: [],
  secret: [],
  wire: [library('zod')],
  transport: [folder('errors'), folder('secret'), folder('wire'), library('ky'), library('zod')],
  'api-keys': [folder('errors'), folder('secret'), folder('wire'), folder('transport')],
  chat: [
    folder('errors'),
    folder('secret'),
    folder('wire'),
    folder('transport'),
    library('eventsource-parser'),
    library('@standard-schema/spec'),
    library('zod'),
  ],
  emulator: [folder('secret'), library('hono'), library('zod')],
};

/** The one file that needs Node. Everything else runs wherever there is `fetch`. */
const nodeOnly = '^src/emulator/node\\.ts$';
/** The script, style and markup of the emulator's page. */
const browser = folder('emulator/console/browser');
const index = '^src/index\\.ts$';
const entries = '^src/(index|(api-keys|chat|errors|secret|emulator)/index|emulator/node)\\.ts$';
const known = [index, ...Object.keys(folders).map(folder)];

const folderRules = Object.entries(folders).map(([name, allowed]) => ({
  name: `${name}-imports`,
  comment: `src/${name} may import only what the table in .ci/dependency-cruiser.mjs allows it`,
  severity: 'error',
  from: { path: folder(name), pathNot: nodeOnly },
  to: { pathNot: [folder(name), ...allowed] },
}));

export default {
  forbidden: [
    ...folderRules,
    {
      name: 'transport-zod-types-only',
      comment: 'the schemas are in src/wire; the transport is handed them',
      severity: 'error',
      from: { path: folder('transport') },
      to: { path: library('zod'), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'index-imports',
      comment: 'the entry point repeats what the index of a folder exports, and has nothing of its own',
      severity: 'error',
      from: { path: index },
      to: { pathNot: '^src/(api-keys|chat|errors|secret)/index\\.ts$' },
    },
    {
      name: 'emulator-node-imports',
      comment: 'the server puts the emulator on a socket, and nothing else',
      severity: 'error',
      from: { path: nodeOnly },
      to: { pathNot: [folder('emulator'), library('@hono/node-server')], dependencyTypesNot: ['core'] },
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
      from: { path: '^src/', pathNot: [browser, '^src/emulator/console/assets\\.ts$'] },
      to: { path: browser },
    },
    {
      name: 'no-node-builtins',
      comment: 'everything but src/emulator/node.ts has to run where there is no Node',
      severity: 'error',
      from: { path: '^src/', pathNot: nodeOnly },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-node-server',
      comment: 'everything but src/emulator/node.ts has to run where there is no Node',
      severity: 'error',
      from: { path: '^src/', pathNot: nodeOnly },
      to: { path: [library('@hono/node-server'), nodeOnly] },
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
      to: { dependencyTypes: ['npm-dev'], pathNot: [library('hono'), library('@hono/node-server')] },
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
