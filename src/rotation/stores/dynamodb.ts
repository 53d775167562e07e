import { invalid, type KeyStore, storeFrom } from './store.ts';

/** The AWS SDK's document client: `DynamoDBDocumentClient` or `DynamoDBDocument` of `@aws-sdk/lib-dynamodb`. */
export interface DynamodbDocumentClient {
  send(command: never): Promise<unknown>;
}

/** Options of {@link dynamodbStore}. */
export interface DynamodbStoreOptions {
  /** The caller's document client. */
  readonly client: DynamodbDocumentClient;
  /** Name of the table. Its partition key is the string attribute `ring`; it has no sort key. */
  readonly table: string;
}

/**
 * Creates a store in a DynamoDB table, for functions: an operation is one request, and nothing is polled. Reads are
 * consistent and writes conditional. Needs the actions `dynamodb:GetItem` and `dynamodb:PutItem`. Do not use a global
 * table with several writing regions: its last writer wins.
 *
 * @throws {ConfigurationError} If an option is invalid. Errors of the client are passed on by the methods.
 *
 * @example
 * ```js
 * import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
 * import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
 * import { dynamodbStore } from 'drun-sdk/rotation/dynamodb';
 *
 * const client = DynamoDBDocumentClient.from(new DynamoDBClient());
 * const store = dynamodbStore({ client, table: 'drun-key-rings' });
 * ```
 */
export function dynamodbStore(options: DynamodbStoreOptions): KeyStore {
  const { client, table } = options ?? {};
  if (typeof client?.send !== 'function') {
    throw invalid('client', 'must be a `DynamoDBDocumentClient` of `@aws-sdk/lib-dynamodb`');
  }
  if (typeof table !== 'string' || table === '') throw invalid('table', 'must be the name of a table');

  const put = async (item: StoredItem, condition: string, values: object = {}): Promise<boolean> => {
    const { PutCommand } = await loadCommands();
    const input = {
      TableName: table,
      Item: item,
      // The AWS SDK repeats a request without a response: its own version means that it succeeded.
      ConditionExpression: `${condition} OR #version = :version`,
      ExpressionAttributeNames: { '#ring': 'ring', '#version': 'version' },
      ExpressionAttributeValues: { ':version': item.version, ...values },
    };
    try {
      await client.send(new PutCommand(input));
      return true;
    } catch (error) {
      if ((error as Error | undefined)?.name === 'ConditionalCheckFailedException') return false;
      throw error;
    }
  };

  return storeFrom(
    {
      async get(ring) {
        const { GetCommand } = await loadCommands();
        const input = { TableName: table, Key: { ring }, ConsistentRead: true };
        const { Item: item } = (await client.send(new GetCommand(input))) as {
          Item?: Partial<StoredItem>;
        };
        if (item === undefined) return null;
        const { value, version } = item;
        if (typeof value === 'string' && typeof version === 'string') return { value, version };
        throw invalid('table', `has an item \`${ring}\` that is not a record of a key ring`);
      },
      create: (ring, version, value) => put({ ring, version, value }, 'attribute_not_exists(#ring)'),
      replace: (ring, expected, version, value) =>
        put({ ring, version, value }, '(attribute_exists(#ring) AND #version = :expected)', {
          ':expected': expected,
        }),
    },
    undefined,
    1,
  );
}

type Command = new (input: object) => never;

/** The package is an optional peer dependency, so it is loaded with the first operation, and not type-checked here. */
function loadCommands(): Promise<{ readonly GetCommand: Command; readonly PutCommand: Command }> {
  return import('@aws-sdk/lib-dynamodb' as string);
}

interface StoredItem {
  readonly ring: string;
  readonly version: string;
  readonly value: string;
}
