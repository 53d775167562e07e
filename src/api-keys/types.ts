import type { CallOptions, ClientOptions } from '../http/call.ts';
import type { PlatformUrl } from '../internal/platform.ts';
import type { Credential, Secret } from '../secret/secret.ts';

/** Options for {@link ApiKeys}. */
export interface ApiKeysOptions extends ClientOptions {
  /**
   * An access token from the console (Personal Center, Access Keys), or a function that returns one. @defaultValue The
   * environment variable `DRUN_ACCESS_TOKEN`
   */
  readonly accessToken?: Credential | undefined;
  /**
   * Base URL of the control plane. http is allowed only for loopback hosts. @defaultValue The environment variable
   * `DRUN_CONSOLE_URL`, or `https://console.d.run` if it is not set
   */
  readonly baseUrl?: string | PlatformUrl | undefined;
  /**
   * Time limit for a call in milliseconds, including retries.
   * @defaultValue 30_000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Language of the service's messages (`Accept-Language`), such as `en` or `zh`.
   * @defaultValue `'en'`
   */
  readonly language?: string | undefined;
}

/** Options for {@link WorkspaceApiKeys}. */
export interface WorkspaceApiKeysOptions extends ApiKeysOptions {
  /** Workspace number. */
  readonly workspace: number;
}

/** An API key as the service describes it. No field contains the full key. */
export interface ApiKey {
  readonly id: string;
  /** Name of the key; empty if the service sends none. */
  readonly name: string;
  /** The masked key, such as `sk-******7ucU`, even if the service sends the full key. */
  readonly maskedKey: string;
  /** When the key was created; January 1, 1970 if the service does not report it. */
  readonly createdAt: Date;
  /** When the key expires; absent if it never expires. */
  readonly expiresAt?: Date | undefined;
  readonly expired: boolean;
  /** Whether the key is disabled. Only workspace keys can be disabled. */
  readonly disabled: boolean;
  /** When the key was last used. Absent if the key was never used or the service does not report this time. */
  readonly lastUsedAt?: Date | undefined;
  /** The user who created the key. */
  readonly createdBy?: string | undefined;
  /** The user who owns the key. */
  readonly userId?: string | undefined;
  /** The key's workspace number; absent for account keys. */
  readonly workspace?: number | undefined;
  /** Glob patterns for the models that the key may call; empty for all. `*` does not match `/`, `**` does. */
  readonly allowModels: readonly string[];
  /** Glob patterns for the models that the key may not call. They take precedence over `allowModels`. */
  readonly denyModels: readonly string[];
  /** Token quota; absent for most account keys. */
  readonly quota?: ApiKeyQuota | undefined;
}

/** Token quota of a key. */
export interface ApiKeyQuota {
  /** Total number of tokens that the key may use. */
  readonly limit: number | 'unlimited';
  /** Number of tokens used so far. */
  readonly used: number;
  /** Number of tokens left. */
  readonly remaining: number | 'unlimited';
  /** When the service last updated `remaining`. */
  readonly syncedAt?: Date | undefined;
}

/** A key that has just been created. */
export interface CreatedApiKey extends ApiKey {
  /** The full key. Store it immediately: servers older than 0.17 cannot show it again. */
  readonly secret: Secret;
}

/**
 * A deleted key. Only `id` is always present. If the response to the deletion is lost and a retry does not find the
 * key, the other fields are unknown.
 */
export type DeletedApiKey = Pick<ApiKey, 'id'> & Partial<ApiKey>;

/** A key that replaces a deleted key. */
export interface ReplacementApiKey extends CreatedApiKey {
  /** The deleted key as the service last described it. */
  readonly replaced: DeletedApiKey;
}

/** Argument to {@link ApiKeys.create}. */
export interface CreateApiKeyInput {
  /** A name that describes the purpose of the key. */
  readonly name: string;
  /** When the key expires. If omitted, the key never expires. */
  readonly expiresAt?: Date | undefined;
}

/** Argument to {@link WorkspaceApiKeys.create}. */
export interface CreateWorkspaceApiKeyInput extends CreateApiKeyInput {
  /** Token quota: a non-negative integer, or `'unlimited'`. If omitted, the service's default applies. */
  readonly quota?: number | 'unlimited' | undefined;
}

/** Result of {@link ApiKeys.canCreate}. */
export interface CreationCheck {
  readonly allowed: boolean;
  /** The service's reason for not allowing another key. */
  readonly reason?: string | undefined;
}

/** Argument to {@link ApiKeys.list}. */
export interface ListApiKeysQuery {
  /** Text to search for in the ids, names and values of keys. */
  readonly search?: string | undefined;
  /**
   * Field to sort by. The service documents `id`, `name` and `key` as sortable, but not the sort syntax. `createdAt` is
   * sent as `creationTimestamp`; any other string is sent unchanged.
   */
  readonly sort?: 'id' | 'name' | 'createdAt' | (string & {}) | undefined;
  /** Number of the first page to read, starting at 1. */
  readonly page?: number | undefined;
  /** Number of keys per page, at least 1. Without `page` and `pageSize`, all keys are requested at once. */
  readonly pageSize?: number | undefined;
}

/** One page of a list, or the complete list if neither `page` nor `pageSize` was given. */
export interface ApiKeyPage {
  readonly items: readonly ApiKey[];
  /** Number of this page, starting at 1. */
  readonly page: number;
  /** Number of keys per page. */
  readonly pageSize: number;
  /** Total number of keys across all pages, as reported by the service. */
  readonly total: number;
  /** When the service sent this page, by its clock (`Date` plus `Age`). Absent if there is no `Date` header. */
  readonly servedAt?: Date | undefined;
}

/** Argument to {@link ApiKeys.prune}. At least one field is required. If both are given, keys must match both. */
export interface PruneApiKeysQuery {
  /** Matches keys that were created more than this many milliseconds ago. */
  readonly olderThanMs?: number | undefined;
  /**
   * Matches keys that have not been used for more than this many milliseconds. A key that was never used counts as
   * unused since its creation.
   */
  readonly unusedForMs?: number | undefined;
}

/** Argument to {@link WorkspaceApiKeys.prune}. */
export interface PruneWorkspaceApiKeysQuery extends PruneApiKeysQuery {
  /** Whether to include only the caller's own keys instead of all keys in the workspace. */
  readonly onlyMine?: boolean | undefined;
}

/** Options for {@link ApiKeys.prune}. */
export interface PruneOptions extends CallOptions {
  /** Whether to report the matching keys without deleting them. */
  readonly dryRun?: boolean | undefined;
}

/** A key that matched the query of {@link ApiKeys.prune}. */
export type PrunedApiKey = { readonly key: ApiKey } & (
  | { readonly outcome: 'deleted' | 'would_delete' }
  | {
      /** The key may still exist. */
      readonly outcome: 'failed';
      /** Why the deletion failed; a `NotFoundError` if the key no longer existed. */
      readonly error: unknown;
    }
);

/** Argument to {@link ApiKeys.usage}. The service chooses a default for each omitted field. */
export interface ApiKeyUsageQuery {
  /** Start of the time range. */
  readonly from?: Date | undefined;
  /** End of the time range. */
  readonly to?: Date | undefined;
  /** Length of the periods in {@link ApiKeyUsage.points}. */
  readonly period?: 'hour' | 'day' | 'week' | 'month' | undefined;
  /** Ids of the keys to include, at least one. If omitted, all keys are included. */
  readonly ids?: readonly string[] | undefined;
  /** Models to include, at least one. If omitted, all models are included. */
  readonly models?: readonly string[] | undefined;
}

/** Result of {@link ApiKeys.usage}. */
export interface ApiKeyUsage {
  readonly totals: UsageAmounts;
  /** Usage per model and period, in the service's order. */
  readonly points: readonly UsagePoint[];
}

/** Usage of one model in one period. */
export interface UsagePoint extends UsageAmounts {
  readonly model: string;
  /** `TEXT_GENERATION`, `EMBEDDING`, …; absent if the service does not report it. */
  readonly modelType?: string | undefined;
  /** The service's timestamp for the period. */
  readonly timestamp?: Date | undefined;
}

/** Amounts of tokens, characters and audio used. */
export interface UsageAmounts {
  readonly tokens: TokenUsage;
  readonly characters?: { readonly input: number } | undefined;
  readonly audio?: AudioUsage | undefined;
}

/** Token counts; a count that the service does not report is 0. */
export interface TokenUsage {
  readonly input: number;
  readonly output: number;
  /** Input tokens served from a cache. */
  readonly cached: number;
  readonly total: number;
}

/** Audio usage, in units that the service does not document. */
export interface AudioUsage {
  readonly inputDuration?: number | undefined;
  readonly outputDuration?: number | undefined;
  readonly sampleRate?: number | undefined;
}
