import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DynamodbDocumentClient, dynamodbStore } from 'drun-sdk/rotation/dynamodb';
import { keyStoreContract } from 'drun-sdk/rotation/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

/*
 * With the AWS SDK and a local engine. They are fetched once, into the ignored folder .cache, because nothing else needs
 * them.
 */

const folder = fileURLToPath(new URL('../../.cache/dynamodb', import.meta.url));
const packages = ['dynalite@4.0.0', '@aws-sdk/client-dynamodb@3', '@aws-sdk/lib-dynamodb@3'];
const requireCached = createRequire(join(folder, 'package.json'));

vi.mock('@aws-sdk/lib-dynamodb', () => requireCached('@aws-sdk/lib-dynamodb'));

interface AwsSdk {
  readonly DynamoDBClient: new (
    options: object,
  ) => { send(command: unknown): Promise<unknown>; destroy(): void };
  readonly CreateTableCommand: new (input: object) => unknown;
  readonly DynamoDBDocumentClient: { from(client: unknown): DynamodbDocumentClient };
}

describe('dynamodbStore', () => {
  let server: Server;
  let sdk: AwsSdk;
  let port = 0;

  const connect = () =>
    new sdk.DynamoDBClient({
      endpoint: `http://127.0.0.1:${port}`,
      region: 'local',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });

  beforeAll(async () => {
    if (!existsSync(join(folder, 'node_modules', '@aws-sdk', 'lib-dynamodb'))) {
      mkdirSync(folder, { recursive: true });
      const options = [
        'install',
        '--no-save',
        '--no-audit',
        '--no-fund',
        '--ignore-scripts',
        '--prefix',
        folder,
      ];
      execFileSync('npm', [...options, ...packages], { cwd: folder, stdio: 'ignore' });
    }
    sdk = { ...requireCached('@aws-sdk/client-dynamodb'), ...requireCached('@aws-sdk/lib-dynamodb') };
    server = requireCached('dynalite')({ createTableMs: 0 }) as Server;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
    await connect().send(
      new sdk.CreateTableCommand({
        TableName: 'rings',
        AttributeDefinitions: [{ AttributeName: 'ring', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'ring', KeyType: 'HASH' }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    );
  }, 300_000);

  afterAll(() => void server?.close());

  const open = () => dynamodbStore({ client: sdk.DynamoDBDocumentClient.from(connect()), table: 'rings' });

  it.each(keyStoreContract(open).map(({ name, run }) => [name, run] as const))(
    '%s',
    { timeout: 60_000 },
    (_, run) => run(),
  );

  it('rejects with the error of the SDK if the table is missing', async () => {
    const store = dynamodbStore({ client: sdk.DynamoDBDocumentClient.from(connect()), table: 'missing' });

    await expect(store.get('checkout')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });
});
