import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import type { DynamodbDocumentClient } from 'drun-sdk/rotation/dynamodb';
import { requireFetched } from './fetched-packages.ts';

interface AwsSdk {
  readonly DynamoDBClient: new (options: object) => { send(command: unknown): Promise<unknown> };
  readonly CreateTableCommand: new (input: object) => unknown;
  readonly DynamoDBDocumentClient: { from(client: unknown): DynamodbDocumentClient };
}

interface DynamoDb {
  readonly url: string;
  /** Name of a table for key rings. */
  readonly table: string;
  connect(): DynamodbDocumentClient;
  close(): void;
}

/** Starts a local DynamoDB engine with one table. */
export async function startDynamoDb(): Promise<DynamoDb> {
  const { DynamoDBClient, CreateTableCommand, DynamoDBDocumentClient }: AwsSdk = {
    ...requireFetched('@aws-sdk/client-dynamodb'),
    ...requireFetched('@aws-sdk/lib-dynamodb'),
  };
  const server = requireFetched('dynalite')({ createTableMs: 0 }) as Server;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = new DynamoDBClient({ endpoint: url, region: 'local', credentials });
  const table = 'rings';
  await client.send(
    new CreateTableCommand({
      TableName: table,
      AttributeDefinitions: [{ AttributeName: 'ring', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'ring', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  );
  return {
    url,
    table,
    connect: () =>
      DynamoDBDocumentClient.from(new DynamoDBClient({ endpoint: url, region: 'local', credentials })),
    close: () => void server.close(),
  };
}
