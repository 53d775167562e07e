import { expect, it } from 'vitest';
import { parseEvent } from '../../src/chat/events.ts';
import { finishKind } from '../../src/chat/finish-reason.ts';

it.each([
  ['{"choices":[{"delta":{}}]}', undefined, 'chunk'],
  ['{"choices":[]}', undefined, 'chunk'],
  ['{"usage":{}}', undefined, 'chunk'],
  ['{"type":"status","description":"searching"}', undefined, 'chunk'],
  ['{"type":"message_start","message":{"id":"m"}}', undefined, 'chunk'],
  ['{"choices":[{"delta":{}}],"error":{}}', undefined, 'chunk'],
  ['{"code":0,"message":"Success","choices":[{"delta":{}}]}', undefined, 'chunk'],
  ['[DONE]', undefined, 'end'],
  [' [DONE] ', undefined, 'end'],
  ['"[DONE]"', undefined, 'end'],
  ['null', undefined, 'ignored'],
  ['', undefined, 'ignored'],
  ['{}', undefined, 'ignored'],
  ['{"type":"ping"}', undefined, 'ignored'],
  ['{"a":1}', 'keepalive', 'ignored'],
  ['pong', 'ping', 'ignored'],
  ['{"error":"x"}', undefined, 'error'],
  ['{"choices":[{"delta":{}}],"error":{"code":502}}', undefined, 'error'],
  ['[{"error":{"code":400}}]', undefined, 'error'],
  ['{"detail":"x"}', undefined, 'error'],
  ['error: x', undefined, 'error'],
  ['x', 'error', 'error'],
  ['{"choices":[{"delta":{}}]}', 'error', 'error'],
  ['hello', undefined, 'invalid'],
  ['{"choices":', undefined, 'invalid'],
  ['7', undefined, 'invalid'],
  ['[]', undefined, 'invalid'],
])('parseEvent classifies %j with the name %j as %s', (data, name, type) => {
  expect(parseEvent(data, name)).toHaveProperty('type', type);
});

it.each([
  [
    'finished',
    ['stop', 'tool_calls', 'function_call', 'tool_use', 'end_turn', 'eos', 'STOP', 'unknown', null],
  ],
  [
    'cut',
    ['length', 'max_tokens', 'MAX_TOKENS', 'model_length', 'model_context_window_exceeded', 'Max Tokens'],
  ],
  ['withheld', ['content_filter', 'content-filter', 'SAFETY', 'refusal', 'RECITATION', 'sensitive']],
  [
    'failed',
    ['error', 'abort', 'parse_error', 'insufficient_system_resource', 'overloaded_error', 'api_error'],
  ],
] as const)('finishKind is %s for %j', (kind, reasons) => {
  expect(reasons.map(finishKind)).toEqual(reasons.map(() => kind));
});
