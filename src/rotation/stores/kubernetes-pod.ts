import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError } from '../../errors/index.ts';

/** Where Kubernetes puts what a pod needs to talk to the API server. */
export const SERVICE_ACCOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The API server of the cluster that this process runs in, as its environment has it. */
export function clusterServer(): string {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = process.env;
  if (!host) {
    throw new ConfigurationError(
      'server is missing: this is no pod, for KUBERNETES_SERVICE_HOST is not set; give the API server’s address',
      { option: 'server' },
    );
  }
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The files of a service account. They are read for each call: Kubernetes replaces them before they expire. */
export class ServiceAccount {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** The namespace of the pod. */
  namespace(): Promise<string> {
    return this.#read('namespace', 'namespace');
  }

  /** What the pod shows to the API server. */
  token(): Promise<string> {
    return this.#read('token', 'token');
  }

  /** Who signed the certificate of the API server. */
  certificates(): Promise<string> {
    return this.#read('ca.crt', 'server');
  }

  async #read(file: string, option: string): Promise<string> {
    const path = join(this.#path, file);
    try {
      return (await readFile(path, 'utf8')).trim();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new ConfigurationError(
        `${option} is missing: ${path} cannot be read (${code}); give the option ${option}, or mount the service account's token`,
        { option },
      );
    }
  }
}
