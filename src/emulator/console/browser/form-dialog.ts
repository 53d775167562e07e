import { find } from './elements.ts';
import { CallError } from './service.ts';

/**
 * A dialog with a form, of which one submission is on its way at a time and can fail with a message. The browser
 * keeps the focus inside, closes it on Escape and gives the focus back to where it was.
 */
export class FormDialog {
  readonly #dialog: HTMLDialogElement;
  readonly #form: HTMLFormElement;
  readonly #button: HTMLButtonElement;
  readonly #error: HTMLElement;

  /** The submission closes the dialog by itself, or throws what is wrong. */
  constructor(dialog: HTMLDialogElement, submit: () => Promise<void>) {
    this.#dialog = dialog;
    this.#form = find(dialog, 'form', HTMLFormElement);
    this.#button = find(dialog, '[type=submit]', HTMLButtonElement);
    this.#error = find(dialog, '.error', HTMLElement);
    closeByButton(dialog);
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit(submit);
    });
  }

  open(): void {
    this.#form.reset();
    this.say('');
    this.#dialog.showModal();
  }

  close(): void {
    this.#dialog.close();
  }

  /** Shows what is wrong, or nothing any more. */
  say(message: string): void {
    this.#error.textContent = message;
  }

  async #submit(submit: () => Promise<void>): Promise<void> {
    if (this.#button.ariaDisabled === 'true') return;
    // Not `disabled`, which would lose the focus.
    this.#button.ariaDisabled = 'true';
    this.say('');
    try {
      await submit();
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.say(error.message);
    } finally {
      this.#button.ariaDisabled = null;
    }
  }
}

/** Makes the buttons of a dialog that are marked so close it. */
export function closeByButton(dialog: HTMLDialogElement): void {
  for (const button of dialog.querySelectorAll('[data-close]')) {
    button.addEventListener('click', () => dialog.close());
  }
}
