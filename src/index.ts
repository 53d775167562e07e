/**
 * Exports API keys, chat, errors, secrets and rotation, but not the emulator, the Node transport or most stores.
 *
 * @module
 */
export * from './api-keys/index.ts';
export * from './chat/index.ts';
export * from './errors/index.ts';
export * from './rotation/index.ts';
export * from './secret/index.ts';
