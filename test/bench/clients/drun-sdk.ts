import { ChatClient } from 'drun-sdk/chat';
import { apiKey, type CreateClient, clientOf, request } from './client.ts';

export const createClient: CreateClient = (baseUrl) => {
  const chat = new ChatClient({ apiKey, baseUrl });
  return clientOf(
    () => chat.complete(request),
    () => chat.stream(request),
  );
};
