import { ApiError } from '../errors/index.ts';

/** Whether an error is what routers answer for a path that they do not have. */
export function isMissingPath(error: unknown): error is ApiError {
  return error instanceof ApiError && [404, 405, 501].includes(error.status);
}
