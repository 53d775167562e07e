/**
 * The whole package except for the emulator and the key stores: API keys, chat, errors, secrets and rotation.
 *
 * @module
 */
export * from './api-keys/index.ts';
export * from './chat/index.ts';
export * from './errors/index.ts';
export * from './rotation/index.ts';
export * from './secret/index.ts';
