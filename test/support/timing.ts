import { vi } from 'vitest';

/** Makes random delays nearly zero. Random numbers remain distinct, because they are also used for ids. */
export function retryAtOnce(): void {
  const random = Math.random;
  vi.spyOn(Math, 'random').mockImplementation(() => random() * 1e-9);
}
