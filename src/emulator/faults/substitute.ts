import type { Call } from '../call.ts';
import { controlErrorOf } from '../control/control-errors.ts';
import { dataErrorOf } from '../data/data-errors.ts';
import { errorResponse } from '../http.ts';
import { LostConnection } from '../lost-connection.ts';
import type { Substitute } from './met-faults.ts';

/** Statuses that fetch's `Response` takes no body with. */
const WITHOUT_BODY = [204, 205, 304];

/** @throws LostConnection where there is no answer at all. */
export function substituteAnswer(substitute: Substitute, call: Call): Response {
  if (substitute.kind === 'drop') throw new LostConnection();
  const answer = plainAnswer(substitute, call);
  for (const [name, value] of Object.entries(substitute.headers)) answer.headers.set(name, value);
  return answer;
}

function plainAnswer(
  { status, body, html }: Extract<Substitute, { kind: 'answer' }>,
  { plane, request }: Call,
): Response {
  if (WITHOUT_BODY.includes(status)) return new Response(null, { status });
  if (html !== undefined) return textAnswer(html, status, 'text/html; charset=utf-8');
  if (typeof body === 'string') return textAnswer(body, status, 'text/plain; charset=utf-8');
  if (body !== undefined) return textAnswer(JSON.stringify(body), status, 'application/json; charset=utf-8');
  if (status < 400) return textAnswer('', status, 'text/plain; charset=utf-8');
  const refusal = plane === 'control' ? controlErrorOf(status, request) : dataErrorOf(status, request);
  return errorResponse(refusal, request);
}

function textAnswer(text: string, status: number, type: string): Response {
  return new Response(text, { status, headers: { 'content-type': type } });
}
