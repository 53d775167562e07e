/**
 * A service that rotates its API key every 30 days without downtime. It responds to each POST request with a model's
 * reply.
 *
 *   DRUN_ACCESS_TOKEN=… DRUN_ENCRYPTION_KEY=$(openssl rand -base64 32) node examples/rotation-service.ts
 *   curl --data 'Hello, model!' http://127.0.0.1:8080
 *
 * Prints the masked key in use and the address of the service, and stops on SIGTERM or Ctrl-C. You can run any number
 * of instances with the same store and DRUN_ENCRYPTION_KEY. There is no leader; if one instance crashes, the others
 * continue.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { ApiKeys, ChatClient, keyVerifier } from 'drun-sdk';
import { KeyRing } from 'drun-sdk/rotation';
import { fileStore } from 'drun-sdk/rotation/file';

const { DRUN_ENCRYPTION_KEY = '', KEY_RINGS = 'key-rings', PORT = '8080' } = process.env;

const ring = new KeyRing({
  name: 'checkout',
  manager: new ApiKeys(), // reads DRUN_ACCESS_TOKEN
  verifier: keyVerifier(), // checks whether the service accepts a key; costs no tokens
  // For one machine. For several, use postgresStore({ query: (text, values) => pool.query(text, values) }).
  store: fileStore({ path: KEY_RINGS }),
  encryptionKey: DRUN_ENCRYPTION_KEY,
});
ring.on('rotated', ({ maskedKey }) => console.log(`the current key is ${maskedKey}`));
ring.on('error', ({ error }) => console.warn('retrying soon:', error));
ring.start();

const chat = new ChatClient({ apiKey: ring });

const server = createServer(async (request, response) => {
  try {
    const question = await text(request);
    const { choices } = await chat.complete({
      model: 'public/deepseek-r1',
      messages: [{ role: 'user', content: question }],
    });
    response.end(choices[0].message.content);
  } catch (error) {
    console.warn(error);
    response.writeHead(502).end();
  }
});

await ring.getKey(); // waits until the ring has a key
server.listen(Number(PORT), '127.0.0.1');
await once(server, 'listening');
const address = server.address();
console.log(`listening on http://127.0.0.1:${typeof address === 'object' && address ? address.port : PORT}`);

const stop = async (): Promise<void> => {
  server.close(); // requests in progress still get their responses
  await ring.stop(); // waits until a key that is being created is stored
  console.log('stopped');
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
