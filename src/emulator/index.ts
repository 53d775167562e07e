/**
 * {@link createEmulator} emulates d.run in memory, for tests and experiments.
 *
 * @module
 */
export type {
  PlatformAbortSignal,
  PlatformRequest,
  PlatformRequestInit,
  PlatformResponse,
  PlatformUrl,
} from '../internal/platform.ts';
export type * from './data-plane/reply.ts';
export type { ActiveRule, EmulatorRule, RuleCondition, Rules, TextPattern } from './data-plane/rules.ts';
export { createEmulator, type Emulator } from './emulator.ts';
export type * from './faults/fault.ts';
export type {
  CreatedEmulatedKey,
  EmulatedKey,
  EmulatedKeyChanges,
  EmulatedKeys,
  EmulatedQuota,
  NewEmulatedKey,
} from './keys.ts';
export type { EmulatedRequest } from './log.ts';
export type { EmulatedOperation, EmulatedPlane } from './operation.ts';
export type {
  EmulatedModel,
  EmulatedVersion,
  EmulatorOptions,
  Sleep,
  UpstreamOptions,
} from './options.ts';
export { seededRandom } from './random.ts';
