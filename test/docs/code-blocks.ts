import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A piece of TypeScript that users are shown. */
export interface CodeBlock {
  /** Where it stands: `README.md:42`. */
  readonly place: string;
  readonly code: string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The TypeScript blocks of the README, of docs/ and of the `@example`s in the sources. */
export function codeBlocks(): CodeBlock[] {
  const files = ['README.md', ...globSync(['docs/*.md', 'src/**/*.ts'], { cwd: root })].sort();
  return files.flatMap((file) =>
    blocksOf(file, readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')),
  );
}

function blocksOf(file: string, text: string): CodeBlock[] {
  return Array.from(text.matchAll(/^([ *]*)```ts\n(.*?)^[ *]*```$/gms), (match) => {
    const [, indent = '', body = ''] = match;
    const line = text.slice(0, match.index).split('\n').length;
    const code = body
      .split('\n')
      .map((row) => (row.startsWith(indent) ? row.slice(indent.length) : row.replace(/^ *\*$/, '')))
      .join('\n');
    return { place: `${file}:${line}`, code };
  });
}

/** What a block takes from the text around it. */
const SURROUNDINGS: Readonly<Record<string, { readonly type: string; readonly value: string }>> = {
  keys: { type: "import('drun-sdk').ApiKeys", value: 'new sdk.ApiKeys()' },
  workspaceKeys: {
    type: "import('drun-sdk').WorkspaceApiKeys",
    value: 'new sdk.WorkspaceApiKeys({ workspace: 12 })',
  },
  chat: { type: "import('drun-sdk').ChatClient", value: 'new sdk.ChatClient()' },
  messages: {
    type: "readonly import('drun-sdk').ChatMessage[]",
    value: "[{ role: 'user', content: 'Hello!' }] as const",
  },
  drun: {
    type: "import('drun-sdk/emulator').Emulator",
    value: "(await import('drun-sdk/emulator')).createEmulator()",
  },
  ring: {
    type: "import('drun-sdk/rotation').KeyRing",
    value: `await (async () => {
      const { KeyRing, memoryStore } = await import('drun-sdk/rotation');
      const ring = new KeyRing({
        name: 'checkout',
        manager: new sdk.ApiKeys(),
        verifier: { verify: async () => ({ accepted: true, models: [] }) },
        store: memoryStore(),
        encryptionKey: process.env.DRUN_ENCRYPTION_KEY ?? '',
      });
      await ring.reconcile();
      return ring;
    })()`,
  },
  storeSomewhereSafe: { type: '(key: string) => void', value: '() => {}' },
  // As much of Deno's key-value store as is used.
  kv: {
    type: `{
      get<Value>(key: readonly string[]): Promise<{ value: Value | null; versionstamp: string | null }>;
      atomic(): {
        check(check: { key: readonly string[]; versionstamp: string | null }): ReturnType<typeof kv.atomic>;
        set(key: readonly string[], value: unknown): ReturnType<typeof kv.atomic>;
        commit(): Promise<{ ok: true; versionstamp: string } | { ok: false }>;
      };
    }`,
    value: 'undefined',
  },
};

/** The block as a module of its own, with what it takes from around it declared, or made. */
export function asModule({ code }: CodeBlock, surroundings: 'declared' | 'made'): string {
  const missing = Object.entries(SURROUNDINGS).filter(
    ([name]) =>
      new RegExp(`\\b${name}\\b(?!-)`).test(code) &&
      !new RegExp(`(?:const|function|using) ${name}\\b`).test(code),
  );
  const preamble = missing.map(([name, { type, value }]) =>
    surroundings === 'declared' ? `declare const ${name}: ${type};` : `const ${name} = ${value};`,
  );
  const imports = surroundings === 'made' ? ["import * as sdk from 'drun-sdk';"] : [];
  return [...imports, ...preamble, code, 'export {};', ''].join('\n');
}
