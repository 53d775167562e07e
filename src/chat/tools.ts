import type { StandardSchemaV1 } from '@standard-schema/spec';
import { invalid } from '../errors/invalid.ts';
import { isRecord } from '../internal/json.ts';
import type { PlatformAbortSignal } from '../internal/platform.ts';

/** The output type of a schema; `unknown` for a plain JSON Schema. */
export type SchemaOutput<Schema extends object> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<Schema>
  : unknown;

/** The definition of a tool, in the format of the OpenAI API. */
export interface ToolDefinition {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string | undefined;
    /** JSON Schema for the arguments. */
    readonly parameters?: object | undefined;
    readonly strict?: boolean | null | undefined;
  };
}

/** A tool whose input is text instead of JSON. */
export interface CustomToolDefinition {
  readonly type: 'custom';
  readonly custom: {
    readonly name: string;
    readonly description?: string | undefined;
    readonly format?: object | undefined;
  };
}

/** The second argument to {@link Tool.run}. */
export interface ToolContext {
  /** Id of the tool call. */
  readonly toolCallId: string;
  /** A signal that is aborted if the run ends before this tool call finishes. */
  readonly signal: PlatformAbortSignal;
}

/** A tool that the model may call, and that {@link ChatClient.runTools} can run. */
export interface Tool<Parameters extends object = object> {
  /** Must consist of 1 to 64 letters, digits, `_` or `-`. */
  readonly name: string;
  /** Explains to the model when and how to use the tool. */
  readonly description?: string | undefined;
  /** Schema for the arguments: a JSON Schema (not used for validation) or a Standard Schema that provides one. */
  readonly parameters: Parameters;
  /** Whether to request strict adherence to the schema. @defaultValue The server's default. */
  readonly strict?: boolean | undefined;
  /** Runs the tool. A string is sent to the model unchanged, any other result as JSON. A thrown error ends the run. */
  run(parameters: SchemaOutput<Parameters>, context: ToolContext): unknown;
}

/**
 * Defines a tool. The argument type of `run` is inferred from the schema.
 *
 * @throws {ConfigurationError} If the name is invalid.
 *
 * @example
 * ```ts
 * import { defineTool } from 'drun-sdk/chat';
 * import * as z from 'zod';
 *
 * const weather = defineTool({
 *   name: 'weather',
 *   description: 'The weather in a city',
 *   parameters: z.object({ city: z.string() }),
 *   run: ({ city }) => `It is sunny in ${city}.`,
 * });
 * ```
 */
export function defineTool<Parameters extends object>(tool: Tool<Parameters>): Tool<Parameters> {
  if (typeof tool?.name === 'string' && /^[\w-]{1,64}$/.test(tool.name)) return tool;
  throw invalid('name', 'of a tool must consist of 1 to 64 letters, digits, `_` or `-`');
}

export function isTool(tool: unknown): tool is Tool {
  return isRecord(tool) && typeof tool.run === 'function';
}

export function isStandardSchema(value: unknown): value is StandardSchemaV1 {
  return isRecord((value as Partial<StandardSchemaV1> | null | undefined)?.['~standard']);
}
