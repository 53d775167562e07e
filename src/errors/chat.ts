import { DrunError, type FieldsOf, type ResponseIssue } from './base.ts';

/** The part of a completion that arrived before the failure. */
export interface PartialCompletion {
  readonly id?: string | null | undefined;
  readonly model?: string | null | undefined;
  /** The choices received so far. A choice without a `finish_reason` is incomplete. */
  readonly choices: readonly {
    readonly index: number;
    readonly message: {
      readonly role: 'assistant';
      readonly content: string | null;
      readonly reasoning_content?: string | null | undefined;
      readonly reasoning?: string | null | undefined;
      readonly [field: string]: unknown;
    };
    readonly finish_reason: string | null;
    readonly [field: string]: unknown;
  }[];
  readonly [field: string]: unknown;
}

/** The stream ended before the completion was finished, for example because a model server failed. */
export class StreamTruncatedError extends DrunError<'StreamTruncatedError', 'stream_truncated'> {
  declare readonly completion: PartialCompletion;
  /** Request id from the response headers; absent if the server sends none. */
  declare readonly requestId?: string | undefined;

  constructor(message: string, fields: FieldsOf<StreamTruncatedError>) {
    super('StreamTruncatedError', 'stream_truncated', message, fields);
  }
}

/** The service reported an error in the middle of a completion, or sent an event that could not be parsed. */
export class StreamFailedError extends DrunError<'StreamFailedError', 'stream_failed'> {
  declare readonly completion: PartialCompletion;
  /** Request id from the response headers; absent if the server sends none. */
  declare readonly requestId?: string | undefined;
  /** `error.code` from the event. */
  declare readonly serviceCode?: string | undefined;
  /** `error.type` from the event. */
  declare readonly serviceType?: string | undefined;
  /** `error.param` from the event. */
  declare readonly param?: string | undefined;

  constructor(message: string, fields: FieldsOf<StreamFailedError>) {
    super('StreamFailedError', 'stream_failed', message, fields);
  }
}

/** The model refused to reply, or a content filter withheld the reply. */
export class ModelRefusalError extends DrunError<'ModelRefusalError', 'model_refusal'> {
  /** The model's explanation; `null` if it gave none. */
  declare readonly refusal: string | null;
  declare readonly completion: PartialCompletion;

  constructor(message: string, fields: FieldsOf<ModelRefusalError>) {
    super('ModelRefusalError', 'model_refusal', message, fields);
  }
}

/** A structured reply or a tool call was cut off at the token limit. */
export class OutputTruncatedError extends DrunError<'OutputTruncatedError', 'output_truncated'> {
  declare readonly completion: PartialCompletion;

  constructor(message: string, fields: FieldsOf<OutputTruncatedError>) {
    super('OutputTruncatedError', 'output_truncated', message, fields);
  }
}

/** The reply is not JSON, or does not match the schema. */
export class OutputValidationError extends DrunError<'OutputValidationError', 'output_validation_failed'> {
  /** How the reply violates the schema, as reported by the schema library. Empty if the reply is not JSON. */
  declare readonly issues: readonly ResponseIssue[];
  declare readonly completion: PartialCompletion;

  constructor(message: string, fields: FieldsOf<OutputValidationError>) {
    super('OutputValidationError', 'output_validation_failed', message, fields);
  }
}

/** The model kept calling an unknown tool or passing invalid arguments, or announced a tool call but made none. */
export class ToolCallError extends DrunError<'ToolCallError', 'invalid_tool_call'> {
  /** Name of the tool, as sent by the model. Empty if the model made no call. */
  declare readonly toolName: string;
  /** What is wrong with the call. Contains the schema library's issues if the arguments do not match the schema. */
  declare readonly issues: readonly ResponseIssue[];
  /** The conversation up to and including the invalid call. Not enumerable, to keep prompts out of logs. */
  declare readonly messages: readonly unknown[];

  constructor(message: string, fields: FieldsOf<ToolCallError>) {
    super('ToolCallError', 'invalid_tool_call', message, fields);
  }
}

/** The model was still calling tools after `maxRounds` rounds. */
export class MaxToolRoundsError extends DrunError<'MaxToolRoundsError', 'max_tool_rounds_exceeded'> {
  declare readonly maxRounds: number;
  /** The conversation, including the last calls, which were not run. Not enumerable, to keep prompts out of logs. */
  declare readonly messages: readonly unknown[];

  constructor(message: string, fields: FieldsOf<MaxToolRoundsError>) {
    super('MaxToolRoundsError', 'max_tool_rounds_exceeded', message, fields);
  }
}
