import { copyButton } from './copy-button.ts';
import { byId } from './elements.ts';
import { closeByButton } from './form-dialog.ts';
import type { NewKey } from './service.ts';

/** Shows a new key, this once: when the dialog is closed, the page has it no more. */
export class CreatedDialog {
  readonly #dialog = byId('created-dialog', HTMLDialogElement);
  readonly #name = byId('created-name', HTMLElement);
  readonly #key = byId('created-key', HTMLInputElement);
  readonly #command = byId('created-command', HTMLElement);

  constructor() {
    closeByButton(this.#dialog);
    copyButton(byId('created-copy', HTMLButtonElement), this.#key);
    copyButton(byId('created-command-copy', HTMLButtonElement), this.#command);
    this.#dialog.addEventListener('close', () => this.#show({ name: '', key: '' }, ''));
  }

  open(created: NewKey, command: string): void {
    this.#show(created, command);
    this.#dialog.showModal();
    this.#key.focus();
    this.#key.select();
    // Its beginning is what one sees.
    this.#key.scrollLeft = 0;
  }

  #show({ name, key }: NewKey, command: string): void {
    this.#name.textContent = name;
    this.#key.value = key;
    this.#command.textContent = command;
  }
}
