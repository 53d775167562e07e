import { byId, find, fromTemplate } from './elements.ts';
import type { LoggedRequest } from './service.ts';
import { exactTime } from './times.ts';

const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

/** The last requests that came to the emulator, newest first. */
export class RequestTable {
  readonly #body = find(byId('requests', HTMLTableElement), 'tbody', HTMLTableSectionElement);
  readonly #empty = byId('no-requests', HTMLElement);
  #shown = '';

  show(requests: readonly LoggedRequest[]): void {
    // Left alone while nothing comes: somebody may be reading or selecting.
    const text = JSON.stringify(requests);
    if (text === this.#shown) return;
    this.#shown = text;
    this.#body.replaceChildren(...requests.map(row));
    this.#empty.hidden = requests.length > 0;
  }
}

function row({ method, path, status, credential, at }: LoggedRequest): HTMLTableRowElement {
  const element = fromTemplate('request-row', HTMLTableRowElement);
  const show = (part: string, text: string | number = ''): void => {
    find(element, part, HTMLElement).textContent = String(text);
  };
  const time = find(element, 'time', HTMLTimeElement);
  time.dateTime = at;
  time.title = exactTime(new Date(at));
  time.textContent = clock.format(new Date(at));
  show('.method', method);
  show('.path', path);
  show('.status', status ?? 'pending');
  show('.credential', credential);
  find(element, '.status', HTMLElement).classList.add(`status-${String(status).charAt(0)}`);
  return element;
}
