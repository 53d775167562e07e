/** Does something again and again, with a pause in between, for as long as somebody looks at the page. */
export function poll(work: () => Promise<void>, pauseMs: number): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running = false;
  const run = async (): Promise<void> => {
    clearTimeout(timer);
    if (running || document.hidden) return;
    running = true;
    // Not in a `finally`: what fails here is a defect, and is not to be repeated for ever.
    await work();
    running = false;
    timer = setTimeout(run, pauseMs);
  };
  document.addEventListener('visibilitychange', run);
  void run();
}
