import { byId, find } from './elements.ts';
import { type KeyActions, KeyRow } from './key-row.ts';
import { CallError, type KeyList, type ListedKey, type Service } from './service.ts';

/** How many more keys are shown at a time. */
const STEP = 20;
/** From the last key stroke to the search. */
const TYPING_MS = 200;

interface KeyTableOptions {
  readonly now: () => number;
  readonly actions: KeyActions;
  /** Called with the newest keys whenever they were loaded without a search. */
  readonly onKeys: (keys: readonly ListedKey[]) => void;
}

/** The keys that there are, newest first: as many as were asked for, and those that fit the search. */
export class KeyTable {
  readonly #service: Service;
  readonly #options: KeyTableOptions;
  readonly #table = byId('keys', HTMLTableElement);
  readonly #body = find(this.#table, 'tbody', HTMLTableSectionElement);
  readonly #search = byId('search', HTMLInputElement);
  readonly #more = byId('more', HTMLButtonElement);
  readonly #count = byId('count', HTMLElement);
  readonly #empty = byId('empty', HTMLElement);
  readonly #error = byId('list-error', HTMLElement);
  #list: KeyList = { keys: [], total: 0 };
  #rows = new Map<string, KeyRow>();
  #wanted = STEP;
  #loading = new AbortController();

  constructor(service: Service, options: KeyTableOptions) {
    this.#service = service;
    this.#options = options;
    let typing: ReturnType<typeof setTimeout> | undefined;
    this.#search.addEventListener('input', () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.#restart(), TYPING_MS);
    });
    byId('refresh', HTMLButtonElement).addEventListener('click', () => void this.#refresh());
    byId('retry', HTMLButtonElement).addEventListener('click', () => void this.load());
    this.#more.addEventListener('click', () => void this.#loadMore());
  }

  /** Loads the list anew. Only the last load counts; one that fails says so and leaves what is shown. */
  async load(): Promise<void> {
    this.#loading.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.#table.ariaBusy = 'true';
    try {
      const search = this.#search.value.trim();
      const list = await this.#service.list(search, this.#wanted, signal);
      signal.throwIfAborted();
      this.#show(list, search);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof CallError)) throw error;
      this.#fail(`The list could not be loaded. ${error.message}`);
    }
    this.#table.ariaBusy = 'false';
  }

  /** Loads the list without a search, so that a new key is among them. */
  async showAll(): Promise<void> {
    this.#search.value = '';
    await this.#restart();
  }

  /** Takes a key off that was deleted. Where its row has the focus, the next one gets it. */
  remove({ id }: ListedKey): void {
    const { keys, total } = this.#list;
    const at = keys.findIndex((key) => key.id === id);
    const hadFocus = this.#rows.get(id)?.element.contains(document.activeElement) ?? false;
    const neighbour = keys[at + 1] ?? keys[at - 1];
    if (at !== -1) this.#show({ keys: keys.toSpliced(at, 1), total: total - 1 }, this.#search.value.trim());
    if (!hadFocus) return;
    const row = neighbour === undefined ? undefined : this.#rows.get(neighbour.id);
    if (row === undefined) byId('create', HTMLButtonElement).focus();
    else row.focus();
  }

  /** Shows the times as they are now. */
  tick(): void {
    for (const { id, state } of this.#list.keys) this.#rows.get(id)?.update(state, this.#options.now());
  }

  /** Also says that it is done: who does not see the list hears nothing where nothing has changed. */
  async #refresh(): Promise<void> {
    const said = byId('refreshed', HTMLElement);
    said.textContent = '';
    await this.load();
    if (this.#error.hidden) said.textContent = 'Refreshed';
  }

  async #restart(): Promise<void> {
    this.#wanted = STEP;
    await this.load();
  }

  async #loadMore(): Promise<void> {
    const shown = this.#list.keys.length;
    this.#wanted = shown + STEP;
    await this.load();
    // The button may be gone.
    const first = this.#list.keys[shown];
    if (first !== undefined) this.#rows.get(first.id)?.focus();
  }

  #show(list: KeyList, search: string): void {
    const { keys, total } = list;
    this.#list = list;
    this.#error.hidden = true;
    const rows = new Map(keys.map((key) => [key.id, this.#rows.get(key.id) ?? this.#newRow(key)]));
    for (const [id, { element }] of this.#rows) if (!rows.has(id)) element.remove();
    // Rows that stay are not moved, for that would take the focus out of them.
    [...rows.values()].forEach(({ element }, position) => {
      const there = this.#body.children[position];
      if (there !== element) this.#body.insertBefore(element, there ?? null);
    });
    this.#rows = rows;
    this.tick();

    this.#empty.hidden = keys.length > 0;
    this.#empty.textContent =
      search === '' ? 'No API keys yet. Create one to call the models.' : `No API key fits “${search}”.`;
    this.#more.hidden = keys.length >= total;
    this.#count.textContent = counted(keys.length, total);
    if (search === '') this.#options.onKeys(keys);
  }

  #newRow(key: ListedKey): KeyRow {
    return new KeyRow(key, this.#options.actions);
  }

  #fail(message: string): void {
    find(this.#error, 'p', HTMLElement).textContent = message;
    this.#error.hidden = false;
    if (this.#list.keys.length === 0) this.#empty.hidden = true;
  }
}

function counted(shown: number, total: number): string {
  if (shown < total) return `${shown} of ${total} API keys`;
  return total === 1 ? '1 API key' : `${total} API keys`;
}
