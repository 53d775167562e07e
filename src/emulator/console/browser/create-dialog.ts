import { byId } from './elements.ts';
import { FormDialog } from './form-dialog.ts';
import { CallError, type NewKey, type Service } from './service.ts';

interface CreateDialogEvents {
  readonly onCreated: (key: NewKey) => void;
  /** No answer came, or one that says nothing: there may be one more key than is known. */
  readonly onUnknownOutcome: () => void;
}

/** Asks for a name and creates a key of that name. */
export class CreateDialog {
  readonly #service: Service;
  readonly #events: CreateDialogEvents;
  readonly #name = byId('create-name', HTMLInputElement);
  readonly #dialog: FormDialog;

  constructor(service: Service, events: CreateDialogEvents) {
    this.#service = service;
    this.#events = events;
    this.#dialog = new FormDialog(byId('create-dialog', HTMLDialogElement), () => this.#create());
    this.#name.addEventListener('input', () => {
      this.#name.ariaInvalid = null;
    });
  }

  open(): void {
    this.#name.ariaInvalid = null;
    this.#dialog.open();
    // Said before a name is thought of. Trying all the same is allowed: a key may be deleted meanwhile.
    this.#service.creationRefusal().then(
      (reason) => reason !== undefined && this.#dialog.say(reason),
      () => {},
    );
  }

  async #create(): Promise<void> {
    const name = this.#name.value.trim();
    if (name === '') {
      this.#name.ariaInvalid = 'true';
      this.#name.focus();
      throw new CallError('Enter a name.');
    }
    const created = await this.#service.create(name).catch((error: unknown) => this.#explain(error));
    this.#dialog.close();
    // Also where the dialog was closed before the answer came: the key is shown now or never.
    this.#events.onCreated(created);
  }

  /** A refusal does not say in a form of its own that it is for the limit; there is a call that does. */
  async #explain(error: unknown): Promise<never> {
    if (!(error instanceof CallError)) throw error;
    const { status } = error;
    if (status !== undefined && status >= 400 && status < 500) {
      const reason = await this.#service.creationRefusal().catch(() => undefined);
      throw reason === undefined ? error : new CallError(reason, status);
    }
    this.#events.onUnknownOutcome();
    throw new CallError(
      `${error.message} The key may have been created all the same: look at the list.`,
      status,
    );
  }
}
