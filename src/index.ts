/**
 * API keys, chat, errors, secrets and rotation. Import the emulator, the Node transport and key stores separately.
 *
 * @module
 */
export * from './api-keys/index.ts';
export * from './chat/index.ts';
export * from './errors/index.ts';
export * from './rotation/index.ts';
export * from './secret/index.ts';
