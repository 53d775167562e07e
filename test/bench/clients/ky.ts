import ky from 'ky';
import { byteClientOf, type CreateClient, headers, request } from './client.ts';

export const createClient: CreateClient = (baseUrl) => {
  const post = (json: object) =>
    ky.post(`${baseUrl}/v1/chat/completions`, { headers, json, timeout: 600_000 });
  return byteClientOf(
    () => post(request).json(),
    async () => (await post({ ...request, stream: true })).body as ReadableStream<Uint8Array>,
  );
};
