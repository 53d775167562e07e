import { check, checkOptions, invalid } from '../../errors/invalid.ts';
import { type KeyStore, type StoredRecord, storeFrom } from './store.ts';

/** The AWS SDK's document client: `DynamoDBDocumentClient` or `DynamoDBDocument` from `@aws-sdk/lib-dynamodb`. */
export interface DynamodbDocumentClient {
  send(command: never): Promise<unknown>;
}

/** Options for {@link dynamodbStore}. */
export interface DynamodbStoreOptions {
  /** The document client that sends the store's requests. */
  readonly client: DynamodbDocumentClient;
  /** Name of the table, whose primary key must be the string partition key `ring` without a sort key. */
  readonly table: string;
}

/**
 * Creates a store that keeps its records in a DynamoDB table. It suits serverless functions: each operation is a single
 * request, and the store does not poll. Reads are strongly consistent, and writes are conditional. The role needs
 * `dynamodb:GetItem` and `dynamodb:PutItem`. Write to a global table in one region only, because the last writer wins.
 *
 * @throws {ConfigurationError} If an option is invalid. Methods reject with the client's errors.
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
  checkOptions(options, ['client', 'table'], 'dynamodbStore()');
  const { client, table } = options;
  const isClient = typeof client?.send === 'function';
  check(isClient, 'client', 'must be a `DynamoDBDocumentClient` from `@aws-sdk/lib-dynamodb`');
  check(typeof table === 'string' && table !== '', 'table', 'must be a table name');

  return storeFrom({
    async get(ring) {
      const { GetCommand } = await loadCommands();
      const input = { TableName: table, Key: { ring }, ConsistentRead: true };
      const { Item: item } = (await client.send(new GetCommand(input))) as { Item?: Partial<StoredRecord> };
      if (item === undefined) return null;
      const { value, version } = item;
      if (typeof value === 'string' && typeof version === 'string') return { value, version };
      throw invalid('table', `contains an item \`${ring}\` that is not a key ring record`);
    },
    async swap(ring, expected, version, value) {
      const { PutCommand } = await loadCommands();
      const unchanged =
        expected === null
          ? 'attribute_not_exists(#ring)'
          : '(attribute_exists(#ring) AND #version = :expected)';
      const input = {
        TableName: table,
        Item: { ring, version, value },
        // The AWS SDK retries requests that get no response, so this version may have been stored already.
        ConditionExpression: `${unchanged} OR #version = :version`,
        ExpressionAttributeNames: { '#ring': 'ring', '#version': 'version' },
        ExpressionAttributeValues: { ':version': version, ...(expected && { ':expected': expected }) },
      };
      try {
        await client.send(new PutCommand(input));
        return true;
      } catch (error) {
        if ((error as Error | undefined)?.name === 'ConditionalCheckFailedException') return false;
        throw error;
      }
    },
  });
}

type Command = new (input: object) => never;

/** The AWS SDK is an optional peer dependency, so it is loaded on the first operation and not type-checked here. */
function loadCommands(): Promise<{ readonly GetCommand: Command; readonly PutCommand: Command }> {
  return import('@aws-sdk/lib-dynamodb' as string);
}
