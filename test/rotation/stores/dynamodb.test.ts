import { ConfigurationError } from 'drun-sdk/errors';
import { KeyRing } from 'drun-sdk/rotation';
import { dynamodbStore } from 'drun-sdk/rotation/dynamodb';
import { keyStoreContract } from 'drun-sdk/rotation/testing';
import { describe, expect, it, vi } from 'vitest';
import { rejectionOf, thrownBy } from '../../support/failures.ts';
import { ringClock } from '../../support/ring-clock.ts';
import { RingService } from '../../support/ring-service.ts';
import { ENCRYPTION_KEY, ringSetup } from '../../support/ring-setup.ts';

/* Uses a double of the document client. test/integration/dynamodb.test.ts uses the AWS SDK and a local engine. */

interface Command {
  readonly kind: 'get' | 'put';
  readonly input: {
    readonly TableName: string;
    readonly ConsistentRead?: boolean;
    readonly Key?: { readonly ring: string };
    readonly Item?: { readonly ring: string; readonly version: string; readonly value: string };
    readonly ConditionExpression?: string;
    readonly ExpressionAttributeValues?: Readonly<Record<string, string>>;
  };
}

vi.mock('@aws-sdk/lib-dynamodb', () => {
  const commandOf = (kind: Command['kind']) =>
    class {
      readonly kind = kind;
      readonly input: unknown;
      constructor(input: unknown) {
        this.input = input;
      }
    };
  return { GetCommand: commandOf('get'), PutCommand: commandOf('put') };
});

function newClient() {
  const items = new Map<string, Command['input']['Item']>();
  const sent: Command[] = [];
  return {
    items,
    sent,
    async send(command: Command): Promise<unknown> {
      sent.push(command);
      const { Key, Item, ConditionExpression = '', ExpressionAttributeValues = {} } = command.input;
      if (command.kind === 'get') return { Item: items.get(Key?.ring ?? '') };
      const stored = items.get(Item?.ring ?? '');
      const { ':version': version, ':expected': expected } = ExpressionAttributeValues;
      const isNew = ConditionExpression.includes('attribute_not_exists') && stored === undefined;
      const isExpected = stored !== undefined && [version, expected].includes(stored.version);
      if (!isNew && !isExpected) {
        throw Object.assign(new Error('The conditional request failed'), {
          name: 'ConditionalCheckFailedException',
        });
      }
      items.set(Item?.ring ?? '', Item);
      return {};
    },
  };
}

describe('dynamodbStore', () => {
  const shared = newClient();
  const cases = keyStoreContract(() => dynamodbStore({ client: shared, table: 'rings' }));

  it.each(cases.map(({ name, run }) => [name, run] as const))('%s', (_, run) => run());

  it('reads from its table with strong consistency', async () => {
    const client = newClient();
    await dynamodbStore({ client, table: 'rings' }).get('checkout');

    expect(client.sent.map(({ input }) => input)).toEqual([
      { TableName: 'rings', Key: { ring: 'checkout' }, ConsistentRead: true },
    ]);
  });

  it('recognizes its own update if the SDK retries a request without a response', async () => {
    const client = newClient();
    const { send } = client;
    const store = dynamodbStore({
      client: { send: (command: Command) => send(command).then(() => send(command)) } as never,
      table: 'rings',
    });

    const created = await store.compareAndSwap('checkout', null, 'first');
    expect(created.ok).toBe(true);
    expect((await store.compareAndSwap('checkout', created.ok ? created.version : '', 'second')).ok).toBe(
      true,
    );
  });

  it('passes on other errors of the client', async () => {
    const client = { send: async () => Promise.reject(new Error('throttled')) };

    await expect(dynamodbStore({ client, table: 'rings' }).get('checkout')).rejects.toThrow('throttled');
  });

  it.each([
    ['client', { client: undefined, table: 'rings' }],
    ['table', { client: newClient(), table: '' }],
    ['tableName', { client: newClient(), table: 'rings', tableName: 'others' }],
    ['options', undefined],
  ])('rejects an invalid `%s`', (option, options) => {
    expect(thrownBy(ConfigurationError, () => dynamodbStore(options as never)).option).toBe(option);
  });

  it('rejects an item that is not a record, and names it', async () => {
    const client = newClient();
    client.items.set('checkout', { ring: 'checkout', version: 1, value: '' } as never);

    const error = await rejectionOf(
      ConfigurationError,
      dynamodbStore({ client, table: 'rings' }).get('checkout'),
    );
    expect(error.option).toBe('table');
  });

  it('the first call of a function sends one read, no list, and starts no timer', async () => {
    const client = newClient();
    const clock = ringClock();
    const service = new RingService(clock);
    const { newRing } = ringSetup({ clock, service });
    const store = dynamodbStore({ client, table: 'rings' });
    await newRing({ store }).reconcile();
    client.sent.length = 0;
    service.newRequests();
    const timers = vi.spyOn(globalThis, 'setTimeout');

    await new KeyRing({ name: 'checkout', store, encryptionKey: ENCRYPTION_KEY, clock }).getKey();

    expect(client.sent).toHaveLength(1);
    expect(service.newRequests()).toEqual([]);
    expect(timers).not.toHaveBeenCalled();
  });
});
