import { byId, find } from './elements.ts';
import { FormDialog } from './form-dialog.ts';
import type { ListedKey, Service } from './service.ts';

/** Asks whether a key is really to be deleted, and deletes it. */
export class DeleteDialog {
  readonly #dialog: FormDialog;
  readonly #name: HTMLElement;
  readonly #maskedKey: HTMLElement;
  #key: ListedKey | undefined;

  constructor(service: Service, onDeleted: (key: ListedKey) => void) {
    const element = byId('delete-dialog', HTMLDialogElement);
    this.#name = find(element, 'bdi', HTMLElement);
    this.#maskedKey = find(element, 'code', HTMLElement);
    this.#dialog = new FormDialog(element, async () => {
      const key = this.#key;
      if (key === undefined) return;
      await service.delete(key.id);
      // The focus goes back to the key's row before that goes.
      this.#dialog.close();
      onDeleted(key);
    });
  }

  open(key: ListedKey): void {
    this.#key = key;
    this.#name.textContent = key.name;
    this.#maskedKey.textContent = key.maskedKey;
    this.#dialog.open();
  }
}
