/**
 * The errors thrown by `drun-sdk`, and {@link isDrunError}, which recognizes them.
 *
 * @module
 */
export * from './api.ts';
export * from './api-keys.ts';
export { DrunError, type ResponseIssue } from './base.ts';
export * from './chat.ts';
export * from './client.ts';
export * from './guard.ts';
export * from './key-ring.ts';
