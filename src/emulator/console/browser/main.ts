import { CallPanel } from './call-panel.ts';
import { CreateDialog } from './create-dialog.ts';
import { CreatedDialog } from './created-dialog.ts';
import { DeleteDialog } from './delete-dialog.ts';
import { byId } from './elements.ts';
import { KeyTable } from './key-table.ts';
import { poll } from './poll.ts';
import { RequestTable } from './request-table.ts';
import { CallError, Service } from './service.ts';
import { SignInDialog } from './sign-in-dialog.ts';

const POLL_MS = 1000;

const connection = byId('connection', HTMLElement);
/** How far the emulator's clock, by which keys have their times, is ahead of this one. */
let clockOffset = 0;
let reachable = false;

const signIn = new SignInDialog();
const service = new Service((wasRefused) => signIn.ask(wasRefused));
const requests = new RequestTable();
const call = new CallPanel(new URL('.', document.baseURI).href.replace(/\/$/, ''));
const created = new CreatedDialog();
const deletion = new DeleteDialog(service, (key) => {
  table.remove(key);
  call.remove(key);
  void table.load();
});
const table = new KeyTable(service, {
  now: () => Date.now() + clockOffset,
  actions: { call: (key) => call.choose(key), delete: (key) => deletion.open(key) },
  onKeys: (keys) => call.showKeys(keys),
});
const creation = new CreateDialog(service, {
  onCreated(key) {
    created.open(key, call.commandWith(key.key));
    void table.showAll();
  },
  onUnknownOutcome: () => void table.load(),
});
byId('create', HTMLButtonElement).addEventListener('click', () => creation.open());

let timesModelsWereAsked = 0;

/** Beside everything else: a model server that does not answer holds nothing up. Only the last time that it is asked counts. */
async function showModels(): Promise<void> {
  const time = ++timesModelsWereAsked;
  const models = await service.models().catch((error: unknown) => {
    if (!(error instanceof CallError)) throw error;
    return [];
  });
  if (time === timesModelsWereAsked) call.showModels(models);
}
byId('refresh', HTMLButtonElement).addEventListener('click', () => void showModels());

/** Everything anew: also after the emulator was away, for it may be another one. */
async function start(): Promise<void> {
  const version = await service.version();
  const badge = byId('version', HTMLElement);
  badge.textContent = `version ${version}`;
  badge.hidden = false;
  void showModels();
  await table.load();
}

poll(async () => {
  try {
    if (!reachable) await start();
    const answer = await service.requests();
    clockOffset = answer.now - Date.now();
    reachable = true;
    requests.show(answer.requests);
    table.tick();
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    reachable = false;
  }
  const state = reachable ? 'Running' : 'Not reachable';
  if (connection.textContent !== state) connection.textContent = state;
  connection.classList.toggle('down', !reachable);
}, POLL_MS);
