/**
 * A service whose API key is replaced every 30 days, without a call that fails: it answers what is posted to it with a
 * model's answer, and looks after the key beside that.
 *
 *   DRUN_ACCESS_TOKEN=… DRUN_ENCRYPTION_KEY=$(openssl rand -base64 32) node examples/rotation-service.ts
 *   curl --data 'Hello, model!' http://127.0.0.1:8080
 *
 * Prints which key calls go out with, masked, where it listens, and at SIGTERM or Ctrl-C that it has stopped. Run as many
 * of it as you like with the same store and the same DRUN_ENCRYPTION_KEY, which has to be kept: there is no leader. Each looks after
 * the key, one at a time gets to change it, and when one is killed in the middle, another goes on.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { ApiKeys, ChatClient } from 'drun-sdk';
import { KeyRing } from 'drun-sdk/rotation';
import { fileStore } from 'drun-sdk/rotation/file';

const { DRUN_ENCRYPTION_KEY = '', KEY_RINGS = 'key-rings', PORT = '8080' } = process.env;

const ring = new KeyRing({
  name: 'checkout',
  manager: new ApiKeys(), // with DRUN_ACCESS_TOKEN
  verifier: {
    async verify(apiKey, { signal }) {
      const check = await new ChatClient({ apiKey }).checkKey({ signal, maxRetries: 0 });
      return check.accepted ? { accepted: true, models: [] } : check;
    },
  },
  // For one machine. For several: postgresStore({ query: (text, values) => pool.query(text, values) }).
  store: fileStore({ path: KEY_RINGS }),
  encryptionKey: DRUN_ENCRYPTION_KEY,
});
ring.on('rotated', ({ maskedKey }) => console.log(`calls go out with ${maskedKey}`));
ring.on('error', ({ error }) => console.warn('the next pass tries again:', error));
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

await ring.getKey(); // the very first time there is none yet
server.listen(Number(PORT), '127.0.0.1');
await once(server, 'listening');
const address = server.address();
console.log(`listening on http://127.0.0.1:${typeof address === 'object' && address ? address.port : PORT}`);

const stop = async (): Promise<void> => {
  server.close(); // what is under way is still answered
  await ring.stop(); // a key in the making is stored before
  console.log('stopped');
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
