import { request as send } from 'undici';
import { byteClientOf, type CreateClient, headers, request } from './client.ts';

export const createClient: CreateClient = (baseUrl) => {
  const post = async (body: object) => {
    const init = { method: 'POST', headers, body: JSON.stringify(body) };
    return (await send(`${baseUrl}/v1/chat/completions`, init)).body;
  };
  return byteClientOf(
    async () => (await post(request)).json(),
    () => post({ ...request, stream: true }),
  );
};
