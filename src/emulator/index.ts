/**
 * {@link createEmulator}: d.run in memory, for tests and for trying out.
 *
 * @module
 */
export type {
  ChatRequest,
  EmulatedChoice,
  EmulatedCompletion,
  EmulatedMessage,
  EmulatedReply,
  EmulatedToolCall,
  Reply,
  ReplyContext,
  ReplyFunction,
} from './data/reply.ts';
export { createEmulator, type Emulator } from './emulator.ts';
export type {
  ActiveFault,
  ActiveRandomFaults,
  Fault,
  FaultKind,
  Faults,
  RandomFaults,
  RequestFilter,
} from './faults/fault.ts';
export type { EmulatedKey, EmulatedQuota } from './keys/emulated-key.ts';
export type {
  CreatedEmulatedKey,
  EmulatedKeyChanges,
  EmulatedKeys,
  NewEmulatedKey,
} from './keys/emulated-keys.ts';
export type { EmulatedOperation, EmulatedPlane } from './operation.ts';
export type { EmulatedVersion, EmulatorOptions, UpstreamOptions } from './options.ts';
export { seededRandom } from './random.ts';
export type { EmulatedRequest } from './request-log.ts';
export type { Sleep } from './sleep.ts';
