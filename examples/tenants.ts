/**
 * One API key per tenant: a single `ChatClient` serves all tenants, and each call uses the key of the tenant whose
 * request is being handled. An `AsyncLocalStorage` holds the tenant, so that it need not be passed to every function.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ChatClient, Secret } from 'drun-sdk';

interface Tenant {
  readonly apiKey: Secret;
}

const tenants = new AsyncLocalStorage<Tenant>();

/** The provider is called before every request, in the async context of the call. Its result is never shared. */
const chat = new ChatClient({
  apiKey: () => {
    const tenant = tenants.getStore();
    // Fail rather than charge the call to another tenant.
    if (!tenant) throw new Error('No tenant: the call was made outside asTenant().');
    return tenant.apiKey;
  },
});

/** Runs a request handler for a tenant. Call it after authenticating the request. */
export function asTenant<Result>(apiKey: string, handler: () => Result): Result {
  return tenants.run({ apiKey: new Secret(apiKey) }, handler);
}

/** A function somewhere deep in the application. */
export async function summarize(text: string): Promise<string | null> {
  const { choices } = await chat.complete({
    model: 'public/deepseek-r1',
    messages: [
      { role: 'system', content: 'Summarize in one sentence.' },
      { role: 'user', content: text },
    ],
  });
  return choices[0].message.content;
}
