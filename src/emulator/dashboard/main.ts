type Key = Readonly<Record<'id' | 'name' | 'maskedKey' | 'createdAt', string>> &
  Readonly<Record<'expired' | 'disabled', boolean>>;

type LoggedRequest = Readonly<Record<'method' | 'path' | 'at', string>> &
  Readonly<Partial<Record<'credential' | 'model' | 'reason', string>>> & {
    readonly status?: number;
    readonly faults?: readonly string[];
  };

const POLL_MS = 2000;
const SHOWN_REQUESTS = 50;
const TOKEN = 'drun-emulator-token';

// Remove the token from the address bar, so that it is neither bookmarked nor visible.
const tokenInUrl = new URLSearchParams(location.hash.slice(1)).get('token');
if (tokenInUrl !== null) {
  sessionStorage.setItem(TOKEN, tokenInUrl);
  history.replaceState(null, '', location.pathname);
}

/** Returns the element in page.html with the given id. */
function get<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** Sends a request to an endpoint under `/_emulator/`. @throws {Error} With a message for the user. */
async function send<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(path, {
    method,
    headers: { Authorization: `Bearer ${sessionStorage.getItem(TOKEN)}` },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  }).catch(() => {
    throw new Error('The emulator is not responding.');
  });
  if (response.status === 401)
    throw new Error('Open the address that the emulator printed, which contains the access token.');
  const result = response.status === 204 ? undefined : await response.json();
  if (!response.ok) throw new Error(result.message);
  return result;
}

const search = get<HTMLInputElement>('search');
const status = get('status');
let keys: readonly Key[] = [];

async function load(): Promise<void> {
  try {
    const requests = await send<LoggedRequest[]>('GET', 'requests');
    keys = (await send<Key[]>('GET', 'keys')).reverse();
    showRows('requests', requests.slice(-SHOWN_REQUESTS).reverse(), requestCells);
    showKeys();
    status.textContent = 'Connected';
  } catch (error) {
    status.textContent = (error as Error).message;
  }
}

function showKeys(): void {
  const text = search.value.trim().toLowerCase();
  const found = keys.filter(({ id, name, maskedKey }) =>
    [id, name, maskedKey].some((each) => each.toLowerCase().includes(text)),
  );
  showRows('keys', found, keyCells);
  const count = `${keys.length} API ${keys.length === 1 ? 'key' : 'keys'}`;
  get('count').textContent = text === '' ? count : `${found.length} of ${count}`;
}

type Cells = readonly (string | Node)[];

const shown: Record<string, string> = {};

/** Fills a table. Leaves the table untouched if no item has changed, to preserve focus and selection. */
function showRows<T>(id: string, items: readonly T[], toCells: (item: T) => Cells): void {
  const state = JSON.stringify(items);
  if (state === shown[id]) return;
  shown[id] = state;
  const rows = items.map((item) => {
    const row = document.createElement('tr');
    for (const [index, content] of toCells(item).entries()) {
      const cell = document.createElement(index === 0 ? 'th' : 'td');
      if (index === 0) cell.setAttribute('scope', 'row');
      cell.append(content);
      row.append(cell);
    }
    return row;
  });
  get<HTMLTableElement>(id).tBodies[0]?.replaceChildren(...rows);
}

function keyCells(key: Key): Cells {
  const { name, maskedKey, createdAt } = key;
  const state = key.disabled ? ' (disabled)' : key.expired ? ' (expired)' : '';
  const button = document.createElement('button');
  button.textContent = 'Delete';
  button.setAttribute('aria-label', `Delete ${name}`);
  button.addEventListener('click', () => confirmDeletion(key));
  return [name + state, maskedKey, new Date(createdAt).toLocaleString('sv'), button];
}

function requestCells(request: LoggedRequest): Cells {
  const { method, path, status = '–', credential = '', model, reason, faults = [], at } = request;
  const details = [model, reason, ...faults].filter((part) => part !== undefined).join(', ');
  return [new Date(at).toLocaleTimeString('sv'), `${method} ${path}`, String(status), credential, details];
}

/** Sets up a dialog that shows the error and stays open if `submit` fails. Returns a function that opens the dialog. */
function dialog(id: string, submit: () => Promise<unknown>): () => void {
  const element = get<HTMLDialogElement>(id);
  const error = element.querySelector('.error') as HTMLElement;
  let isBusy = false;
  element.querySelector('[type="button"]')?.addEventListener('click', () => element.close());
  element.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    try {
      await submit();
      element.close();
    } catch (problem) {
      error.textContent = (problem as Error).message;
    }
    isBusy = false;
    await load();
  });
  return () => {
    error.textContent = '';
    element.querySelector('form')?.reset();
    element.showModal();
  };
}

const createdKey = get<HTMLInputElement>('created-key');
const copied = get('copied');

const openCreation = dialog('create-dialog', async () => {
  const name = get<HTMLInputElement>('name').value.trim();
  const created = await send<{ keys: [Key & { key: string }] }>('POST', 'keys', { name });
  get('created-name').textContent = name;
  createdKey.value = created.keys[0].key;
  get<HTMLDialogElement>('created-dialog').showModal();
});

let keyToDelete = '';
const openDeletion = dialog('delete-dialog', () => send('DELETE', `keys/${keyToDelete}`));
function confirmDeletion({ id, name, maskedKey }: Key): void {
  keyToDelete = id;
  get('delete-name').textContent = name;
  get('delete-key').textContent = maskedKey;
  openDeletion();
}

for (const element of document.querySelectorAll('dialog')) {
  // Focus `create`, because the button that opened the dialog may have been removed.
  element.addEventListener('close', () => get('create').focus());
}
get('created-dialog').addEventListener('close', () => {
  // The page must not keep the full key.
  createdKey.value = '';
  copied.textContent = '';
});
get('copy').addEventListener('click', async () => {
  createdKey.select();
  // The clipboard is available only on https and loopback origins.
  const copy = navigator.clipboard?.writeText(createdKey.value) ?? Promise.reject();
  copied.textContent = await copy.then(
    () => 'Copied.',
    () => 'Press Ctrl+C to copy.',
  );
});
get('create').addEventListener('click', openCreation);
get('refresh').addEventListener('click', () => void load());
search.addEventListener('input', showKeys);

setInterval(() => void load(), POLL_MS);
void load();
