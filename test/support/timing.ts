import { vi } from 'vitest';

/** Makes the random part of every wait nearly nothing; other users of random numbers still get distinct ones. */
export function retryAtOnce(): void {
  const random = Math.random;
  vi.spyOn(Math, 'random').mockImplementation(() => random() * 1e-9);
}
