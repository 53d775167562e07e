import { byteClientOf, type CreateClient, headers, request } from './client.ts';

export const createClient: CreateClient = (baseUrl) => {
  const post = (body: object): Promise<Response> =>
    fetch(`${baseUrl}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) });
  return byteClientOf(
    async () => (await post(request)).json(),
    async () => (await post({ ...request, stream: true })).body as ReadableStream<Uint8Array>,
  );
};
