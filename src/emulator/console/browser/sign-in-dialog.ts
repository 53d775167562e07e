import { byId } from './elements.ts';
import { FormDialog } from './form-dialog.ts';
import { CallError } from './service.ts';

/** Asks for the access token, which stays in this page's memory until it is reloaded or closed. */
export class SignInDialog {
  readonly #dialog: FormDialog;
  readonly #token = byId('sign-in-token', HTMLInputElement);
  #answer: (token: string) => void = () => {};

  constructor() {
    const element = byId('sign-in-dialog', HTMLDialogElement);
    this.#dialog = new FormDialog(element, async () => {
      const token = this.#token.value.trim();
      // What no header can hold is no token.
      if (!/^[!-~]+$/.test(token)) throw new CallError('Enter the access token.');
      this.#token.value = '';
      this.#dialog.close();
      this.#answer(token);
    });
    // There is nothing to see without it.
    element.addEventListener('cancel', (event) => event.preventDefault());
  }

  ask(wasRefused: boolean): Promise<string> {
    this.#dialog.open();
    if (wasRefused) this.#dialog.say('This is not the access token of the emulator.');
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }
}
