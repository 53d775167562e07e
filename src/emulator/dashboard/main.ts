/** A key as `/_emulator/keys` lists it. */
interface Key {
  readonly id: string;
  readonly name: string;
  readonly maskedKey: string;
  readonly createdAt: string;
  readonly expired: boolean;
  readonly disabled: boolean;
}

interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly status?: number;
  readonly credential?: string;
  readonly model?: string;
  readonly reason?: string;
  readonly faults?: readonly string[];
  readonly at: string;
}

const POLL_MS = 2000;
const SHOWN_REQUESTS = 50;
const TOKEN = 'drun-emulator-token';

const dateTime = new Intl.DateTimeFormat('en-CA', {
  dateStyle: 'short',
  timeStyle: 'medium',
  hourCycle: 'h23',
});

/** Returns the element of an id. */
function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`The page has no ${type.name} #${id}.`);
}

/** Creates an element; its children are elements or text. */
function create(tag: string, className: string, ...children: (Node | string)[]): HTMLElement {
  const created = Object.assign(document.createElement(tag), { className });
  created.append(...children);
  return created;
}

// The token is removed from the address, so that it is neither bookmarked nor seen.
const tokenInUrl = new URLSearchParams(location.hash.slice(1)).get('token');
if (tokenInUrl !== null) {
  sessionStorage.setItem(TOKEN, tokenInUrl);
  history.replaceState(null, '', location.pathname);
}

/** A failed request; its message is for the user. */
class RequestError extends Error {}

/** Sends a request to an endpoint below `/_emulator/`. */
async function request(method: string, path: string, body?: object): Promise<unknown> {
  const headers = {
    Authorization: `Bearer ${sessionStorage.getItem(TOKEN)}`,
    'Content-Type': 'application/json',
  };
  const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
  const response = await fetch(path, { ...init, signal: AbortSignal.timeout(30_000) }).catch(() => {
    throw new RequestError('The emulator does not respond.');
  });
  if (response.status === 401) showSignIn();
  const result: unknown = response.status === 204 ? undefined : await response.json();
  if (response.ok) return result;
  throw new RequestError((result as { message: string }).message);
}

function messageOf(error: unknown): string {
  if (error instanceof RequestError) return error.message;
  throw error;
}

const content = element('content', HTMLElement);
const signIn = element('sign-in', HTMLElement);
const connection = element('connection', HTMLElement);
const listError = element('list-error', HTMLElement);
const search = element('search', HTMLInputElement);
const createButton = element('create', HTMLButtonElement);

function showSignIn(): void {
  const token = element('token', HTMLInputElement);
  if (sessionStorage.getItem(TOKEN) !== null) {
    element('sign-in-error', HTMLElement).textContent = 'This is not the access token of the emulator.';
  }
  sessionStorage.removeItem(TOKEN);
  token.value = '';
  content.hidden = true;
  signIn.hidden = false;
  token.focus();
}

signIn.addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, element('token', HTMLInputElement).value.trim());
  void start();
});

let keys: readonly Key[] = [];

async function loadKeys(): Promise<void> {
  try {
    keys = ((await request('GET', 'keys')) as Key[]).reverse();
    listError.hidden = true;
  } catch (error) {
    listError.textContent = messageOf(error);
    listError.hidden = false;
  }
  showKeys();
}

function showKeys(): void {
  const text = search.value.trim().toLowerCase();
  const found = keys.filter(({ id, name, maskedKey }) =>
    [id, name, maskedKey].some((each) => each.toLowerCase().includes(text)),
  );
  element('keys', HTMLTableElement).tBodies[0]?.replaceChildren(...found.map(keyRow));
  const count = `${keys.length} API ${keys.length === 1 ? 'key' : 'keys'}`;
  element('count', HTMLElement).textContent = text === '' ? count : `${found.length} of ${count}`;
}

function keyRow(key: Key): HTMLElement {
  const state = key.disabled ? ' (disabled)' : key.expired ? ' (expired)' : '';
  const name = create('th', '', create('bdi', '', key.name), create('span', 'muted', state));
  name.setAttribute('scope', 'row');
  const button = create('button', '', 'Delete');
  button.setAttribute('aria-label', `Delete ${key.name}`);
  button.addEventListener('click', () => confirmDeletion(key));
  const createdAt = create('td', 'muted nowrap', dateTime.format(new Date(key.createdAt)).replace(',', ''));
  return create(
    'tr',
    '',
    name,
    create('td', 'nowrap', create('code', '', key.maskedKey)),
    createdAt,
    create('td', '', button),
  );
}

/** Connects a dialog's buttons; `submit` keeps it open by throwing. */
function dialog(id: string, submit: () => Promise<void>, error?: HTMLElement): HTMLDialogElement {
  const opened = element(id, HTMLDialogElement);
  let isBusy = false;
  opened.querySelector('[data-close]')?.addEventListener('click', () => opened.close());
  opened.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    try {
      await submit();
      opened.close();
    } catch (problem) {
      if (error !== undefined) error.textContent = messageOf(problem);
    } finally {
      isBusy = false;
    }
  });
  return opened;
}

const name = element('name', HTMLInputElement);
const createError = element('create-error', HTMLElement);
const createDialog = dialog(
  'create-dialog',
  async () => {
    name.ariaInvalid = String(name.value.trim() === '');
    if (name.ariaInvalid === 'true') throw new RequestError('Enter a name.');
    const { keys: created } = (await request('POST', 'keys', { name: name.value.trim() })) as {
      keys: (Key & { key: string })[];
    };
    element('created-name', HTMLElement).textContent = created[0]?.name ?? '';
    createdKey.value = created[0]?.key ?? '';
    createdDialog.showModal();
    await loadKeys();
  },
  createError,
);
createButton.addEventListener('click', () => {
  name.value = '';
  name.ariaInvalid = null;
  createError.textContent = '';
  createDialog.showModal();
});

const createdKey = element('created-key', HTMLInputElement);
const copied = element('copied', HTMLElement);
const createdDialog = dialog('created-dialog', async () => {});
createdDialog.addEventListener('close', () => {
  // The page must not keep the full key.
  createdKey.value = '';
  copied.textContent = '';
  createButton.focus();
});
element('copy', HTMLButtonElement).addEventListener('click', async () => {
  createdKey.select();
  // The clipboard is available on https and loopback only.
  copied.textContent =
    (await navigator.clipboard?.writeText(createdKey.value).then(
      () => 'Copied.',
      () => 'Press Ctrl+C to copy.',
    )) ?? 'Press Ctrl+C to copy.';
});

let keyToDelete: Key | undefined;
const deleteError = element('delete-error', HTMLElement);
const deleteDialog = dialog(
  'delete-dialog',
  async () => {
    await request('DELETE', `keys/${keyToDelete?.id}`);
    await loadKeys();
  },
  deleteError,
);
// The button that opened it may be gone.
deleteDialog.addEventListener('close', () => createButton.focus());
function confirmDeletion(key: Key): void {
  keyToDelete = key;
  deleteError.textContent = '';
  element('delete-name', HTMLElement).textContent = key.name;
  element('delete-key', HTMLElement).textContent = key.maskedKey;
  deleteDialog.showModal();
}

let shownRequests = '';

async function showRequests(): Promise<void> {
  const requests = ((await request('GET', 'requests')) as LoggedRequest[]).slice(-SHOWN_REQUESTS).reverse();
  // Unchanged rows are left alone, so that a selection survives.
  const text = JSON.stringify(requests);
  if (text === shownRequests) return;
  shownRequests = text;
  element('requests', HTMLTableElement).tBodies[0]?.replaceChildren(...requests.map(requestRow));
  element('no-requests', HTMLElement).hidden = requests.length > 0;
}

function requestRow({
  method,
  path,
  status,
  credential = '',
  model,
  reason,
  faults = [],
  at,
}: LoggedRequest): HTMLElement {
  const details = [model, reason, ...faults].filter((part) => part !== undefined).join(', ');
  const color = status === undefined ? 'muted' : status < 400 ? 'good' : 'error';
  return create(
    'tr',
    '',
    create('td', 'muted nowrap', new Date(at).toLocaleTimeString('en-GB')),
    create('td', 'nowrap', create('code', '', `${method} ${path}`)),
    create('td', color, String(status ?? '–')),
    create('td', 'nowrap', create('code', 'muted', credential)),
    create('td', 'muted', details),
  );
}

search.addEventListener('input', showKeys);
element('refresh', HTMLButtonElement).addEventListener('click', () => void loadKeys());

let timer: ReturnType<typeof setTimeout> | undefined;

/** Polls the request log while the page is visible. */
async function poll(): Promise<void> {
  clearTimeout(timer);
  if (document.hidden || content.hidden) return;
  try {
    await showRequests();
    connection.textContent = 'Connected';
  } catch (error) {
    connection.textContent = messageOf(error);
  }
  timer = setTimeout(() => void poll(), POLL_MS);
}
document.addEventListener('visibilitychange', () => void poll());

async function start(): Promise<void> {
  if (sessionStorage.getItem(TOKEN) === null) return showSignIn();
  signIn.hidden = true;
  content.hidden = false;
  await loadKeys();
  await poll();
}
void start();
