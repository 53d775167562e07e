import type { ResponseIssue } from './call-errors.ts';
import { DrunError } from './drun-error.ts';

/**
 * The model called a tool that there is not, or with arguments that are not of its schema, and did so again after
 * it was told.
 */
export class ToolCallError extends DrunError {
  override get name(): 'ToolCallError' {
    return 'ToolCallError';
  }
  readonly code = 'invalid_tool_call' as const;

  /** The tool, as the model named it. */
  readonly toolName: string;

  /** Where the arguments differ from the schema, in the words of the schema's library. */
  readonly issues: readonly ResponseIssue[];

  /** The conversation, up to the message with the call. */
  declare readonly messages: readonly unknown[];

  constructor(
    message: string,
    init: {
      readonly toolName: string;
      readonly issues: readonly ResponseIssue[];
      readonly messages: readonly unknown[];
    },
  ) {
    super(message);
    this.toolName = init.toolName;
    this.issues = init.issues;
    defineHidden(this, init.messages);
  }
}

/** The model still called tools after as many rounds as it was allowed. */
export class MaxToolRoundsError extends DrunError {
  override get name(): 'MaxToolRoundsError' {
    return 'MaxToolRoundsError';
  }
  readonly code = 'max_tool_rounds_exceeded' as const;

  /** How many rounds of calls were carried out. */
  readonly maxRounds: number;

  /** The conversation, up to the message with the calls that were not carried out. */
  declare readonly messages: readonly unknown[];

  constructor(message: string, init: { readonly maxRounds: number; readonly messages: readonly unknown[] }) {
    super(message);
    this.maxRounds = init.maxRounds;
    defineHidden(this, init.messages);
  }
}

/** What is printed, or logged as JSON, does not repeat the prompt. */
function defineHidden(error: object, messages: readonly unknown[]): void {
  Object.defineProperty(error, 'messages', { value: messages });
}
