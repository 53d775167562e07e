import { find } from './elements.ts';

const SHOWN_MS = 2000;

/**
 * Makes a button copy the text of an element. The button says that it did, and so does the live region behind it: one
 * of its own, for those outside of an open dialog are silent.
 */
export function copyButton(button: HTMLButtonElement, source: HTMLElement): void {
  const label = button.textContent;
  const status = find(button.parentElement ?? document, '[role=status]', HTMLElement);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const show = (text: string): void => {
    button.textContent = text || label;
    status.textContent = text;
  };
  button.addEventListener('click', async () => {
    clearTimeout(timer);
    try {
      // There only for pages of https and of this machine.
      await navigator.clipboard.writeText(textOf(source));
      show('Copied');
    } catch {
      select(source);
      show('Press Ctrl+C');
    }
    timer = setTimeout(() => show(''), SHOWN_MS);
  });
}

function textOf(source: HTMLElement): string {
  return source instanceof HTMLInputElement ? source.value : (source.textContent ?? '');
}

function select(source: HTMLElement): void {
  if (source instanceof HTMLInputElement) {
    source.focus();
    source.select();
  } else {
    getSelection()?.selectAllChildren(source);
  }
}
