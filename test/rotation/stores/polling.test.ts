import { beforeEach, expect, test, vi } from 'vitest';
import { pollVersion } from '../../../src/rotation/stores/polling.ts';

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

const POLL_MS = 1_000;

/** A version that can be read, and how often a watcher was told. */
function watched(version: string | null) {
  const changed = vi.fn();
  const record = { version: version as string | null | Error, reads: 0 };
  const stop = pollVersion(
    async () => {
      record.reads++;
      if (record.version instanceof Error) throw record.version;
      return record.version;
    },
    POLL_MS,
    changed,
  );
  return { record, changed, stop };
}

test('the first look tells, for the record may have changed since it was read', async () => {
  const { changed } = watched('1');

  await vi.advanceTimersByTimeAsync(0);

  expect(changed).toHaveBeenCalledTimes(1);
});

test('a later look tells only where the version is another one', async () => {
  const { record, changed } = watched(null);
  await vi.advanceTimersByTimeAsync(0);

  await vi.advanceTimersByTimeAsync(5 * POLL_MS);
  expect([record.reads, changed.mock.calls.length]).toEqual([6, 1]);
  record.version = '1';
  await vi.advanceTimersByTimeAsync(5 * POLL_MS);
  expect([record.reads, changed.mock.calls.length]).toEqual([11, 2]);
  record.version = null;
  await vi.advanceTimersByTimeAsync(POLL_MS);
  expect(changed).toHaveBeenCalledTimes(3);
});

test('a look that fails tells nothing; the next one tells what it missed', async () => {
  const { record, changed } = watched('1');
  await vi.advanceTimersByTimeAsync(0);

  record.version = new Error('away');
  await vi.advanceTimersByTimeAsync(3 * POLL_MS);
  expect(changed).toHaveBeenCalledTimes(1);
  record.version = '1';
  await vi.advanceTimersByTimeAsync(POLL_MS);
  expect(changed).toHaveBeenCalledTimes(1);
  record.version = new Error('away');
  await vi.advanceTimersByTimeAsync(POLL_MS);
  record.version = '2';
  await vi.advanceTimersByTimeAsync(POLL_MS);
  expect(changed).toHaveBeenCalledTimes(2);
});

test('the time between two looks begins when the first one is over', async () => {
  const answers: PromiseWithResolvers<string>[] = [];
  const stop = pollVersion(
    () => {
      const answer = Promise.withResolvers<string>();
      answers.push(answer);
      return answer.promise;
    },
    POLL_MS,
    () => {},
  );

  await vi.advanceTimersByTimeAsync(5 * POLL_MS);
  expect(answers).toHaveLength(1);
  answers[0]?.resolve('1');
  await vi.advanceTimersByTimeAsync(POLL_MS);
  expect(answers).toHaveLength(2);
  stop();
});

test('nothing is read or told once it is stopped, not even what is being read', async () => {
  const answer = Promise.withResolvers<string>();
  const changed = vi.fn();
  const read = vi.fn(() => answer.promise);
  const stop = pollVersion(read, POLL_MS, changed);

  stop();
  answer.resolve('1');
  await vi.advanceTimersByTimeAsync(5 * POLL_MS);

  expect(read).toHaveBeenCalledTimes(1);
  expect(changed).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});

test('a watcher can stop it while it is being told', async () => {
  const stop = pollVersion(
    async () => '1',
    POLL_MS,
    () => stop(),
  );

  await vi.advanceTimersByTimeAsync(5 * POLL_MS);

  expect(vi.getTimerCount()).toBe(0);
});
