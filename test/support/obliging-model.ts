import type { ReplyFunction } from 'drun-sdk/emulator';

/** As much of JSON Schema as examples use. */
interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
}

interface Asked {
  readonly response_format?: { readonly json_schema?: { readonly schema: Schema } };
  readonly tools?: readonly { readonly function: { readonly name: string; readonly parameters: Schema } }[];
}

/**
 * A model that does what it is asked for: gives an answer in the schema, calls the first tool once, and else repeats what
 * was said last.
 */
export const obligingModel: ReplyFunction = ({ request }) => {
  const { response_format, tools } = request as Asked;
  const last = request.messages.at(-1);
  const schema = response_format?.json_schema?.schema;
  if (schema !== undefined) return JSON.stringify(sampleOf(schema));
  if (tools?.[0] === undefined || last?.role === 'tool') return String(last?.content);
  const { name, parameters } = tools[0].function;
  const call = {
    id: 'call-1',
    type: 'function',
    function: { name, arguments: JSON.stringify(sampleOf(parameters)) },
  };
  return { choices: [{ message: { tool_calls: [call] }, finish_reason: 'tool_calls' }] };
};

function sampleOf({ type, properties = {}, items = {}, enum: values, anyOf }: Schema): unknown {
  if (anyOf?.[0] !== undefined) return sampleOf(anyOf[0]);
  if (values !== undefined) return values[0];
  switch (type) {
    case 'object':
      return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, sampleOf(schema)]));
    case 'array':
      return [sampleOf(items)];
    case 'number':
    case 'integer':
      return 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return 'Paris';
  }
}
