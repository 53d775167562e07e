/**
 * AWS Lambda with a key ring in DynamoDB. Deploy the file as two functions:
 *
 * - `lambda-rotation.chat` responds to requests. It needs only `dynamodb:GetItem` on the table, and no access token.
 * - `lambda-rotation.reconcile` is invoked by a schedule every 15 minutes, and once after the first deployment. It also
 *   needs `dynamodb:PutItem`, DRUN_ACCESS_TOKEN, and a timeout of 6 minutes.
 *
 * Both need the environment variables KEY_RINGS_TABLE (the name of a table with the string partition key `ring`) and
 * DRUN_ENCRYPTION_KEY (the output of `openssl rand -base64 32`).
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { ApiKeys, ChatClient, keyVerifier } from 'drun-sdk';
import { KeyRing } from 'drun-sdk/rotation';
import { dynamodbStore } from 'drun-sdk/rotation/dynamodb';

const { DRUN_ACCESS_TOKEN, DRUN_ENCRYPTION_KEY, KEY_RINGS_TABLE } = process.env;

// Each instance has one ring, which keeps the key between invocations.
const ring = new KeyRing({
  name: 'checkout',
  store: dynamodbStore({
    client: DynamoDBDocumentClient.from(new DynamoDBClient()),
    table: KEY_RINGS_TABLE ?? '',
  }),
  encryptionKey: DRUN_ENCRYPTION_KEY ?? '',
  // Without these options, the ring is read-only.
  ...(DRUN_ACCESS_TOKEN && {
    manager: new ApiKeys({ accessToken: DRUN_ACCESS_TOKEN }),
    verifier: keyVerifier(),
  }),
});
ring.on('rotated', ({ maskedKey }) => console.log(`the current key is ${maskedKey}`));
ring.on('error', ({ error }) => console.error(error));

const client = new ChatClient({ apiKey: ring });

export async function chat(event) {
  const { choices } = await client.complete({
    model: 'public/deepseek-r1',
    messages: [{ role: 'user', content: event.body }],
  });
  return { statusCode: 200, body: choices[0].message.content };
}

/** If this rejects, the schedule reports a failed invocation, and the next invocation continues the work. */
export async function reconcile(_event, context) {
  await ring.reconcile({ signal: AbortSignal.timeout(context.getRemainingTimeInMillis() - 1000) });
}
