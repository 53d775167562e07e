/**
 * API keys, chat, errors, secrets and rotation. The emulator, the Node transport and most stores are separate modules.
 *
 * @module
 */
export * from './api-keys/index.ts';
export * from './chat/index.ts';
export * from './errors/index.ts';
export * from './rotation/index.ts';
export * from './secret/index.ts';
