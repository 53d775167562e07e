import { find, fromTemplate } from './elements.ts';
import { menuButton } from './menu.ts';
import type { ListedKey } from './service.ts';
import { exactTime, relativeTime } from './times.ts';

/** What can be done with a key. */
export interface KeyActions {
  /** Takes it for the command that is shown. */
  readonly call: (key: ListedKey) => void;
  readonly delete: (key: ListedKey) => void;
}

/** A key in the table. */
export class KeyRow {
  readonly element = fromTemplate('key-row', HTMLTableRowElement);
  readonly #button = find(this.element, '.actions > button', HTMLButtonElement);
  readonly #badge = find(this.element, '.badge', HTMLElement);
  readonly #time = find(this.element, 'time', HTMLTimeElement);
  readonly #createdAt: Date;

  constructor(key: ListedKey, actions: KeyActions) {
    // As text, whatever stands in a name.
    find(this.element, 'bdi', HTMLElement).textContent = key.name;
    find(this.element, 'code', HTMLElement).textContent = key.maskedKey;
    this.#button.ariaLabel = `Actions for ${key.name}`;
    this.#createdAt = key.createdAt;
    this.#time.dateTime = key.createdAt.toISOString();
    this.#time.title = exactTime(key.createdAt);
    const menu = find(this.element, '[role=menu]', HTMLElement);
    menu.ariaLabel = this.#button.ariaLabel;
    menuButton(this.#button, menu, {
      call: () => actions.call(key),
      delete: () => actions.delete(key),
    });
  }

  /** Shows what changes with the time. */
  update(state: ListedKey['state'], now: number): void {
    this.#badge.hidden = state === 'active';
    this.#badge.textContent = state === 'active' ? '' : state;
    this.#time.textContent = relativeTime(this.#createdAt, now);
  }

  focus(): void {
    this.#button.focus();
  }
}
