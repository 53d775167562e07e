import { OpenRouter } from '@openrouter/sdk';
import { apiKey, type CreateClient, clientOf, request } from './client.ts';

export const createClient: CreateClient = (baseUrl) => {
  const { chat } = new OpenRouter({ apiKey, serverURL: `${baseUrl}/v1` });
  return clientOf(
    () => chat.send({ chatRequest: request }),
    () => chat.send({ chatRequest: { ...request, stream: true } }),
  );
};
