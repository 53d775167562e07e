import { ChatClient } from 'drun-sdk/chat';
import { nodeTransport } from 'drun-sdk/node';
import { apiKey, type CreateClient, clientOf, request } from './client.ts';

export const createClient: CreateClient = (baseUrl) => {
  const chat = new ChatClient({ apiKey, baseUrl, transport: nodeTransport() });
  return clientOf(
    () => chat.complete(request),
    () => chat.stream(request),
  );
};
