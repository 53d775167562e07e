import { copyButton } from './copy-button.ts';
import { curlCommand, PLACEHOLDER } from './curl-command.ts';
import { byId, textElement } from './elements.ts';
import type { ListedKey } from './service.ts';

/** The command that calls the chosen model with the chosen key. */
export class CallPanel {
  readonly #baseUrl: string;
  readonly #key = byId('call-key', HTMLSelectElement);
  readonly #model = byId('call-model', HTMLSelectElement);
  readonly #command = byId('call-command', HTMLElement);
  readonly #hint = byId('call-hint', HTMLElement);
  #keys: readonly ListedKey[] = [];

  constructor(baseUrl: string) {
    this.#baseUrl = baseUrl;
    copyButton(byId('call-copy', HTMLButtonElement), this.#command);
    this.#key.addEventListener('change', () => this.#update());
    this.#model.addEventListener('change', () => this.#update());
    this.#update();
  }

  showModels(models: readonly string[]): void {
    fill(
      this.#model,
      models.map((model) => new Option(model, model)),
      'No model',
    );
    this.#update();
  }

  showKeys(keys: readonly ListedKey[]): void {
    this.#keys = keys;
    fill(
      this.#key,
      keys.map(({ id, name, maskedKey }) => new Option(`${name} (${maskedKey})`, id)),
      'No API key',
    );
    this.#update();
  }

  /** Also a key that the search found beyond those that were shown. */
  choose(key: ListedKey): void {
    if (!this.#keys.some(({ id }) => id === key.id)) this.showKeys([...this.#keys, key]);
    this.#key.value = key.id;
    this.#update();
    this.#key.focus();
  }

  /** Takes a key off that was deleted. */
  remove(key: ListedKey): void {
    this.showKeys(this.#keys.filter(({ id }) => id !== key.id));
  }

  /** The command with a key that is in hand. */
  commandWith(key: string): string {
    return curlCommand({ baseUrl: this.#baseUrl, model: this.#model.value, key });
  }

  #update(): void {
    this.#command.textContent = curlCommand({ baseUrl: this.#baseUrl, model: this.#model.value });
    const chosen = this.#keys.find(({ id }) => id === this.#key.value);
    this.#hint.replaceChildren(
      textElement('code', PLACEHOLDER),
      ...(chosen === undefined
        ? [' stands for the whole key, which is shown when it is created.']
        : [
            ' stands for the whole key of ',
            textElement('bdi', chosen.name),
            ', which was shown when it was created.',
          ]),
    );
  }
}

/** What was chosen stays chosen; where it is gone, the first is. */
function fill(select: HTMLSelectElement, options: readonly HTMLOptionElement[], ifNone: string): void {
  const chosen = select.value;
  select.replaceChildren(...(options.length > 0 ? options : [new Option(ifNone, '')]));
  if (options.some(({ value }) => value === chosen)) select.value = chosen;
}
