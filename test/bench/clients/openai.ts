import OpenAI from 'openai';
import { apiKey, type CreateClient, clientOf, request } from './client.ts';

export const createClient: CreateClient = (baseUrl) => {
  const { completions } = new OpenAI({ apiKey, baseURL: `${baseUrl}/v1` }).chat;
  return clientOf(
    () => completions.create(request),
    () => completions.create({ ...request, stream: true }),
  );
};
