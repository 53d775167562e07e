import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError } from '../errors/index.ts';
import { jsonSchemaOf, type SchemaOutput } from './json-schema.ts';

/** A tool that the model may ask for, as it is sent. */
export interface ToolDefinition {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string | undefined;
    /** A JSON schema of the arguments. */
    readonly parameters?: object | undefined;
    readonly strict?: boolean | null | undefined;
  };
}

/** What a tool is told beside its arguments. */
export interface ToolContext {
  /** The id that the model gave the call. */
  readonly toolCallId: string;
  /** Aborted when the run ends before the tool has answered. */
  readonly signal: AbortSignal;
}

/** A tool that the model may ask for, and that {@link ChatClient.runTools} can run. */
export interface Tool<Parameters extends StandardSchemaV1 = StandardSchemaV1> {
  /** Letters, digits, `_` and `-`, up to 64. */
  readonly name: string;
  /** For the model: when to use the tool, and what for. */
  readonly description?: string | undefined;
  /** What the arguments have to be: a Standard Schema that can give a JSON schema. */
  readonly parameters: Parameters;
  /** Asks the server to hold the model to the schema. Default: left to the server. */
  readonly strict?: boolean | undefined;
  /**
   * Does what the tool is for. A text is handed to the model as it is, anything else as JSON. What it throws ends the
   * run, and is what {@link ChatClient.runTools} rejects with.
   */
  run(parameters: SchemaOutput<Parameters>, context: ToolContext): unknown;
}

/**
 * A tool whose `run` is given what its schema says.
 *
 * @throws ConfigurationError if the name is none that model servers take.
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
export function defineTool<Parameters extends StandardSchemaV1>(tool: Tool<Parameters>): Tool<Parameters> {
  if (!/^[\w-]{1,64}$/.test(tool.name)) {
    throw new ConfigurationError('name of a tool: letters, digits, _ and -, up to 64', { option: 'name' });
  }
  return tool;
}

/** Whether a tool is one that can be run; plain JavaScript may give anything. */
export function isTool(tool: unknown): tool is Tool {
  return typeof tool === 'object' && tool !== null && 'run' in tool && typeof tool.run === 'function';
}

/** Creates the definition of a tool as it is sent. */
export async function toToolDefinition(tool: ToolDefinition | Tool): Promise<ToolDefinition> {
  if (!isTool(tool)) return tool;
  const { name, description, strict } = tool;
  const parameters = await jsonSchemaOf(tool.parameters, `parameters of the tool ${name}`);
  return {
    type: 'function',
    function: {
      name,
      ...(description !== undefined && { description }),
      parameters,
      ...(strict !== undefined && { strict }),
    },
  };
}
