import { dynamodbStore } from 'drun-sdk/rotation/dynamodb';
import { keyStoreContract } from 'drun-sdk/rotation/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startDynamoDb } from '../support/dynamodb.ts';
import { packagesSkipNote, requireFetched } from '../support/fetched-packages.ts';

vi.mock('@aws-sdk/lib-dynamodb', () => requireFetched('@aws-sdk/lib-dynamodb'));

describe.skipIf(packagesSkipNote)(`dynamodbStore${packagesSkipNote}`, () => {
  let database: Awaited<ReturnType<typeof startDynamoDb>>;

  beforeAll(async () => {
    database = await startDynamoDb();
  });

  afterAll(() => database?.close());

  const open = () => dynamodbStore({ client: database.connect(), table: database.table });

  it.each(keyStoreContract(open).map(({ name, run }) => [name, run] as const))(
    '%s',
    { timeout: 60_000 },
    (_, run) => run(),
  );

  it('rejects with the error of the SDK if the table is missing', async () => {
    const store = dynamodbStore({ client: database.connect(), table: 'missing' });

    await expect(store.get('checkout')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });
});
