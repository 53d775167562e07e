import { ApiKeys } from 'drun-sdk/api-keys';

/** Lists the API keys once. */
export const listKeys = async (baseUrl: string): Promise<unknown> => {
  const keys = new ApiKeys({ accessToken: 'bench-access-token', baseUrl });
  return (await Array.fromAsync(keys.list())).map(({ id }) => id);
};
