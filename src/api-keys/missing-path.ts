import { ApiError } from '../errors/index.ts';

export const MISSING_PATH_STATUSES: readonly number[] = [404, 405, 501];

/** Whether an error is what routers answer for a path that they do not have. */
export function isMissingPath(error: unknown): error is ApiError {
  return error instanceof ApiError && MISSING_PATH_STATUSES.includes(error.status);
}
