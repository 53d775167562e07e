import { headers } from './client.ts';

/** Lists the API keys once. */
export const listKeys = async (baseUrl: string): Promise<unknown> => {
  const response = await fetch(`${baseUrl}/apis/hydra.io/v1alpha1/apikeys?page.pageSize=-1`, { headers });
  const { items } = (await response.json()) as { items: { id: string }[] };
  return items.map(({ id }) => id);
};
