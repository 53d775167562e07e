import { Groq } from 'groq-sdk';
import { apiKey, type CreateClient, clientOf, request } from './client.ts';

export const createClient: CreateClient = (baseUrl) => {
  const { completions } = new Groq({ apiKey, baseURL: baseUrl }).chat;
  return clientOf(
    () => completions.create(request),
    () => completions.create({ ...request, stream: true }),
  );
};
