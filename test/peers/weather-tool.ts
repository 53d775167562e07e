import type { RunnableToolFunctionWithParse } from 'openai/lib/RunnableFunction';

/** A tool for `runTools()` of `openai`. */
export function weatherTool(
  weather: (city: string) => string,
): RunnableToolFunctionWithParse<{ city: string }> {
  return {
    type: 'function',
    function: {
      name: 'weather',
      description: 'The weather in a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } } },
      parse: JSON.parse,
      function: ({ city }) => weather(city),
    },
  };
}
