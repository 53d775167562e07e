/**
 * Looks at the version of a record again and again, and tells when it is another one.
 *
 * The first look always tells: the record may have changed since the caller read it. A look that fails tells nothing,
 * and what changed in the meantime shows at the next one. Keeps no process alive.
 *
 * @param readVersion - Null where there is no record.
 * @param pollMs - From the end of one look to the next.
 * @returns What ends it; nothing is told after that.
 */
export function pollVersion(
  readVersion: () => Promise<string | null>,
  pollMs: number,
  changed: () => void,
): () => void {
  let known: string | null | undefined;
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const look = async (): Promise<void> => {
    const version = await readVersion().catch(() => known);
    if (stopped) return;
    timer = setTimeout(look, pollMs);
    unref(timer);
    if (version === known) return;
    known = version;
    changed();
  };
  void look();

  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

/** Only Node's timers, and Bun's, keep a process alive until they are told not to. */
function unref(timer: unknown): void {
  (timer as { readonly unref?: () => void }).unref?.();
}
