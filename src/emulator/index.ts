export type { EmulatedKey } from './emulated-key.ts';
export { createEmulator, type Emulator } from './emulator.ts';
export type { EmulatedVersion, EmulatorOptions } from './options.ts';
export type {
  ChatRequest,
  EmulatedChoice,
  EmulatedCompletion,
  EmulatedMessage,
  Reply,
  ReplyContext,
  ReplyFunction,
} from './reply.ts';
export type { EmulatedPlane, EmulatedRequest } from './request-log.ts';
