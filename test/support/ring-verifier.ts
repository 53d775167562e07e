import { AuthenticationError, ChatClient, type ChatClientOptions } from 'drun-sdk';
import type { KeyVerifier } from 'drun-sdk/rotation';

/** Asks `GET /v1/models` with each key. */
export function verifierFor(options: Omit<ChatClientOptions, 'apiKey'>): KeyVerifier {
  const chat = new ChatClient({ ...options, apiKey: 'replaced-in-every-call' });
  return {
    async verify(apiKey, { signal }) {
      try {
        const models = await chat.models({ apiKey, signal, maxRetries: 0 });
        return { accepted: true, models: models.map(({ id }) => id) };
      } catch (error) {
        if (error instanceof AuthenticationError) return { accepted: false, code: error.code };
        throw error;
      }
    },
  };
}
