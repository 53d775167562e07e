/**
 * Where the records of key rings are kept: the interface, and a store in memory.
 *
 * @module
 */

export type { KeyStore, StoredRecord, SwapResult } from './key-store.ts';
export { memoryStore } from './stores/memory.ts';
